// Files that the user drops or chooses.

/**
 * Return the text of a file. Throws an Error with one sentence if it is not text. A file with one of the `endings`
 * is returned as {document, ending}, in base64.
 */
export async function textOf(file, endings = [], most = 50_000_000) {
  if (file.size > most) throw new Error(`${file.name} is too large: ${Math.round(file.size / 1e6)} MB`);
  const ending = endings.find(one => file.name.toLowerCase().endsWith(one));
  if (ending) {
    const reader = new FileReader();
    reader.readAsDataURL(file);
    await new Promise(resolve => reader.addEventListener("loadend", resolve));
    return { document: reader.result.split(",")[1], ending };
  }
  const bytes = await file.arrayBuffer();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r\n?/g, "\n");
  } catch {
    throw new Error(`${file.name} is not a UTF-8 text: save it as plain text`);
  }
}

/** Let the user choose a file; return null if none is chosen. */
export function chosenFile(accept) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept });
  return new Promise(resolve => {
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

/** Return attributes for an element that accepts dropped files. */
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
