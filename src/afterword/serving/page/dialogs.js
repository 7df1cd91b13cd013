// Dialogs that the user must answer.

/**
 * Ask in a dialog, and return the value of the pressed button, or null if the dialog is closed. With `field` there is an
 * input, and the first button returns the input's value.
 */
export function ask({ title, text, choices, field = null }) {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  const heading = document.createElement("h2");
  const body = document.createElement("p");
  const input = document.createElement("input");
  const bar = document.createElement("div");
  form.method = "dialog";
  heading.textContent = title;
  heading.id = "dialog-title";
  body.textContent = text;
  dialog.setAttribute("aria-labelledby", heading.id);
  bar.className = "bar end";
  form.append(heading, body);
  if (field) {
    Object.assign(input, { type: field.type, autocomplete: "off" });
    input.setAttribute("aria-label", field.label);
    form.append(input);
  }
  let answer = null;
  choices.forEach(({ label, value }, k) => {
    const button = document.createElement("button");
    button.textContent = label;
    if (k === 0) button.className = "primary";
    button.addEventListener("click", () => (answer = field && k === 0 ? input.value : value));
    bar.append(button);
  });
  form.append(bar);
  dialog.append(form);
  document.body.append(dialog);
  return new Promise(resolve => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
  });
}
