// Runs before the first paint, so that a dark page never appears light first, nor a simple one full.
{
  let [chosen, face] = [null, null];
  try {
    [chosen, face] = ["theme", "face"].map(name => localStorage.getItem(`afterword.${name}`));
  } catch {
    // no storage: use the system's theme
  }
  document.documentElement.dataset.face = face === "all" ? "all" : "simple";
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
}
