// Runs before the first paint, so that a dark page is never light first.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("afterword.theme");
  } catch {
    // no storage: use the system's theme
  }
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}
