// Runs before anything is drawn, so that a page that is to be dark is never light first.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("afterword.theme");
  } catch {
    // nothing is kept here: the system's theme does
  }
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}
