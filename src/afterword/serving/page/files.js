// Files that are dropped or chosen.

/** The text of a file; an Error with one sentence where it is none. */
export async function textOf(file, most = 50_000_000) {
  if (file.size > most) throw new Error(`${file.name} is too large: ${Math.round(file.size / 1e6)} MB`);
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r\n?/g, "\n");
  } catch {
    throw new Error(`${file.name} is not text in UTF-8`);
  }
}

/** Let the writer choose a file; null where none was chosen. */
export function chosenFile(accept) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept });
  return new Promise(resolve => {
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

/** Attributes that make an element take a file that is dropped on it. */
export function dropping(take) {
  const mark = (event, isOver) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.currentTarget.classList.toggle("over", isOver);
  };
  return {
    onDragOver: event => mark(event, true),
    onDragLeave: event => mark(event, false),
    onDrop: event => {
      mark(event, false);
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    },
  };
}
