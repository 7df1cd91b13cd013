// Laws of the page's parts that touch no document; the value is a list of what was broken.
(async () => {
  const { History } = await import("/static/history.js");
  const { rows } = await import("/static/branches.js");
  const { Aligner, characterAt, levelAt, runs, shadesBy, shadesOf, spliced } = await import("/static/shades.js");
  const { difference, nextWord, percent, runName, span, speakers, wordAt, WordEnd } = await import("/static/words.js");
  const broken = [];
  const same = (what, found, expected) => {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b) broken.push(`${what}: ${a}, not ${b}`);
  };
  const copy = history => History.fromJSON(JSON.parse(JSON.stringify(history)));

  // A history is what it was at each of its revisions, whatever was done in between, and after it was saved.
  let state = 1;
  const random = below => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  for (let trial = 0; trial < 60; trial += 1) {
    const history = new History();
    const seen = new Map([[0, ""]]);
    for (let step = 0, now = 0; step < 60; step += 1) {
      const what = random(7);
      if (what === 0) history.undo();
      else if (what === 1) history.redo();
      else if (what === 2) history.go(random(history.revisions.length));
      else if (what === 3) history.keep();
      else {
        const at = random(history.text.length + 1);
        const removed = random(Math.min(3, history.text.length - at) + 1);
        const inserted = "xyé😀z".slice(0, random(7));
        history.edit(at, removed, inserted, { shades: shadesOf(inserted.length, -random(6), true), now: (now += 5000) });
      }
      if (seen.has(history.id)) same("a revision's text", history.text, seen.get(history.id));
      seen.set(history.id, history.text);
      same("shades are as long as the text", history.shades.length, history.text.length);
    }
    const tips = history.tips();
    for (const { id, text } of tips) same("a tip's text", text, seen.get(id));
    const drawn = rows(tips, history.id);
    same("one row is where we are", drawn.filter(({ here }) => here).length, 1);
    for (const { id, cut, at, piece } of drawn) {
      const text = seen.get(id ?? cut);
      same("a row is a piece of its text", text.slice(at - piece.length, at), piece);
    }
    const ends = new Set(tips.map(({ text }) => text));
    same("every text that was tried has its row", drawn.filter(({ id }) => id !== null).length, ends.size);
    const again = copy(history);
    same("a saved history", JSON.stringify(again), JSON.stringify(history));
    for (const step of [...Array(80).fill("undo"), ...Array(80).fill("redo")]) {
      same(step, again[step]() === null, history[step]() === null);
      same(`${step}: text`, again.text, history.text);
    }
  }

  // Strokes in a row are undone together, after a pause or a line's end by themselves.
  const typed = new History();
  [..."ab"].forEach((one, k) => typed.edit(k, 0, one, { now: k }));
  typed.edit(2, 0, "c", { now: 9000 });
  typed.undo();
  same("a pause parts strokes", typed.text, "ab");
  typed.undo();
  same("strokes are undone together", typed.text, "");

  // What is not a history is refused, in a sentence.
  const good = JSON.parse(JSON.stringify(typed));
  for (const change of [
    file => (file.format = "other"),
    file => (file.version = 99),
    file => (file.revisions = []),
    file => (file.revisions[1].parent = 7),
    file => (file.revisions[1].at = -1),
    file => (file.revisions[1].removed = "that was never there"),
    file => delete file.revisions[1].inserted,
    file => (file.current = 99),
  ]) {
    const file = structuredClone(good);
    change(file);
    try {
      History.fromJSON(file);
      broken.push(`taken: ${change}`);
    } catch (error) {
      if (error.constructor !== Error) broken.push(`${change}: ${error}`);
    }
  }

  // Two texts fork where they differ, never inside a character.
  const forked = rows([{ id: 1, text: "a😀b" }, { id: 2, text: "a😁" }], 2);
  same("the fork", forked.map(({ piece }) => piece), ["a", "😀b", "😁"]);
  same("only the fork is no text", forked.map(({ id }) => id), [null, 1, 2]);

  // Probabilities are laid along the text, whatever the parts that it comes in.
  const aligner = new Aligner(true);
  aligner.push(["T", "he", "bytes:\\xc3", "bytes:\\xa9", "<|end|>"], [0, -2, -1, -1, -9]);
  same("parts of tokens", aligner.take("Th") + aligner.take("eé"), "ACCE");
  const bytes = new Aligner(false);
  bytes.push(["a", "bytes:\\xf0", "bytes:\\x9f", "bytes:\\x98", "bytes:\\x80"], [0, -0.5, -0.5, -0.5, -0.5]);
  same("a character of four bytes", bytes.take("a😀"), "ae.");
  const other = new Aligner(true);
  other.push(["x"], [-1]);
  same("another text has no shades", other.take("ab"), "AA");
  same("runs", runs("  bbc.:a m"), [[1, 2, 4], [2, 4, 7], [12, 9, 10]]);
  same("by their places", shadesBy([{ start: 0, bits: 8 }, { start: 1, bits: 1 }, { start: 3, bits: 0 }], "a😀éb"), "mc. a");
  same("a character", characterAt("aB::c", 2), [1, 4]);
  same("its level", levelAt("aB::c", 3), 1);
  same("a character that is cut knows nothing", spliced("aB::c", 2, 0, "x"), "a x  c");

  same("words", [" the cat", "ing, then", "  ", "don't go", "\nBRUTUS.\nWhy", "— and"].map(nextWord), [
    " the", "ing,", "  ", "don't", "\nBRUTUS.", "—",
  ]);
  same("the word at a place", [0, 3, 4, 7, 8, 9, 12].map(at => wordAt("The sea,\n  was", at)), [
    [0, 3], [0, 3], [4, 7], [4, 7], [7, 8], [11, 14], [11, 14],
  ]);
  same("no word", wordAt("The  ", 5), [5, 5]);
  const play = "ROMEO:\nBut soft!\n\nJULIET:\nAy me!\n\nROMEO:\nShe speaks.";
  same("speakers", speakers(play), [{ name: "ROMEO", head: "\n\nROMEO:\n" }, { name: "JULIET", head: "\n\nJULIET:\n" }]);
  same("beside their speeches", speakers("Ann: Hm.\nBob Lee: So?\nAnn: Yes.").map(one => one.head), ["\nAnn: ", "\nBob Lee: "]);
  same("with full stops", speakers("BRUTUS. Peace.\nCASSIUS. Hark.\nBRUTUS. Who?").map(one => one.name), ["BRUTUS", "CASSIUS"]);
  same("nobody", ["He came.\nHe went.\nHe saw.", "Note: one\nNote: two", "A: 1\nB: 2", "", "ROMEO"].map(speakers), [[], [], [], [], []]);
  same("names for runs", ["Größe.txt", "書.txt", "-a b (2).tar.gz"].map(runName), ["Grosse", "text", "a-b-2-tar"]);
  // After its length a text ends with its word, whatever the parts that it comes in.
  const ended = (most, parts, pattern) => {
    const end = new WordEnd({ pattern }, most);
    let at = 0;
    return parts.map(part => {
      const tokens = [...part];
      return end.push(part, { tokens, text_offset: tokens.map(() => at++) });
    }).join("");
  };
  same("the end of a word", ended(3, ["the", " cat"]), "the");
  same("the end of the next word", ended(4, [..."the cat sat"]), "the ");
  same("within a word", ended(5, ["the", " c", "at's t", "ail"]), "the cat's");
  same("a character of two units", ended(2, ["😀😀😀é"]), "😀😀");
  same("no spaces", ended(2, ["東京都"]), "東京");
  same("a pattern ends by itself", ended(2, ["abcd", " e"], "[a-e ]+"), "abcd e");
  same("an edit", difference("hello world", "hello brave world", 12), [6, 6, 12]);
  same("a stroke among the same", difference("aaa", "aaaa", 2), [1, 1, 2]);
  same("a deletion", difference("aaaa", "aaa", 1), [1, 2, 1]);
  same("percent", [1, 0.5, 0.031, 0.0001, 0].map(percent), ["100 %", "50 %", "3.1 %", "< 0.1 %", "0 %"]);
  same("spans", [3, 89, 600, 7200].map(span), ["3 s", "89 s", "10 min", "2 h 0 min"]);
  return broken;
})()
