// Files that the user drops or chooses.

/**
 * Return a file as {text, encoding}; without an encoding it is UTF-8. Throws an Error with one sentence if it is not text.
 * A file with one of the `endings` is returned as {document, ending}, in base64.
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
  const bytes = new Uint8Array(await file.arrayBuffer());
  const encoding = encodingOf(bytes, file.name);
  return { text: new TextDecoder(encoding).decode(bytes).replace(/\r\n?/g, "\n"), encoding };
}

/** Return the encoding that the command would name: UTF-16 by its mark or its zeros, cp1252 for what is not UTF-8; undefined for UTF-8. */
export function encodingOf(bytes, name) {
  const [little, big] = ["utf-16le", "utf-16be"];
  if (bytes[0] + bytes[1] === 0xff + 0xfe) return bytes[0] === 0xff ? little : big;
  const zeros = [0, 0]; // at even and at odd places
  for (const [k, byte] of bytes.subarray(0, 4096).entries()) zeros[k % 2] += byte === 0;
  const [few, many] = [Math.min(...zeros), Math.max(...zeros)];
  if (many >= 8 && few * 20 <= many) return zeros[0] === many ? big : little;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    const [sound] = new TextDecoder().decode(bytes).split("\ufffd");
    if (/[^\0-\x7f]/.test(sound)) throw new Error(`${name} is damaged UTF-8 after ${sound.length} characters: save it again as UTF-8`);
  }
  return "windows-1252";
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
