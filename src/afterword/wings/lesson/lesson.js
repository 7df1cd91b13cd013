// What the lesson adds to the tab of the gates: the page of `afterword inspect --step`.

export const views = { label: "one step", path: "/v1/step", most: 500 };
