// bpftrace's language for the editor: what each piece of a line is, for its colour.

const KEYWORDS = new Set(["if", "else", "unroll", "while", "for", "return", "break", "continue", "struct", "union", "enum", "sizeof", "let", "config"]);
const KINDS = new Set([
  "uprobe", "u", "uretprobe", "ur", "usdt", "U", "kprobe", "kretprobe", "fentry", "fexit", "tracepoint", "t", "rawtracepoint",
  "profile", "p", "interval", "i", "software", "hardware", "watchpoint", "BEGIN", "END", "self", "begin", "end",
]);
const BUILTINS = /^(?:pid|tid|uid|gid|cgroup|comm|nsecs|elapsed|cpu|curtask|rand|username|func|probe|retval|args|arg\d|ustack|kstack|sarg\d)$/;
const TYPE = /^(?:u?int(?:8|16|32|64)|char|short|long|bool|void|unsigned|signed|int)(?:_t)?$/;

function text(stream, state) {
  while (!stream.eol()) {
    const sign = stream.next();
    if (sign === "\\") stream.next();
    else if (sign === '"') {
      state.text = false;
      return "string";
    }
  }
  state.text = false; // a text ends with its line
  return "string";
}

function comment(stream, state) {
  if (stream.skipTo("*/")) {
    stream.match("*/");
    state.comment = false;
  } else stream.skipToEnd();
  return "comment";
}

// Outside of an action a word before a colon begins an attach point, and what follows up to a space is its place.
function place(stream, state) {
  if (stream.match(/^[A-Za-z]+(?=:)/) || stream.match(/^(?:BEGIN|END|begin|end)\b/)) {
    if (KINDS.has(stream.current())) {
      state.place = stream.peek() === ":";
      return "keyword";
    }
    return null;
  }
  if (state.place && stream.match(/^[^\s",{]+/)) return "attributeName";
  return undefined;
}

export const bpftrace = {
  name: "bpftrace",
  startState: () => ({ text: false, comment: false, depth: 0, place: false }),
  copyState: (state) => ({ ...state }),
  token(stream, state) {
    if (state.text) return text(stream, state);
    if (state.comment) return comment(stream, state);
    if (stream.eatSpace()) {
      state.place = false;
      return null;
    }
    if (stream.match("//")) {
      stream.skipToEnd();
      return "comment";
    }
    if (stream.match("/*")) {
      state.comment = true;
      return comment(stream, state);
    }
    if (stream.match('"')) {
      state.text = true;
      return text(stream, state);
    }
    if (!state.depth) {
      const found = place(stream, state);
      if (found !== undefined) return found;
    }
    if (stream.match(/^@[A-Za-z_0-9]*/)) return "propertyName";
    if (stream.match(/^\$[A-Za-z_0-9]+/)) return "variableName";
    if (stream.match(/^(?:0[xX][0-9a-fA-F]+|\d[\w.]*)/)) return "number";
    if (stream.match(/^[A-Za-z_]\w*/)) {
      const word = stream.current();
      if (KEYWORDS.has(word)) return "keyword";
      if (stream.match(/^\s*\(/, false)) return "labelName";
      if (BUILTINS.test(word)) return "atom";
      return TYPE.test(word) ? "typeName" : null;
    }
    const sign = stream.next();
    if (sign === "{") state.depth += 1;
    else if (sign === "}") state.depth = Math.max(0, state.depth - 1);
    return "{}()[]".includes(sign) ? "bracket" : "operator";
  },
  languageData: {
    commentTokens: { line: "//", block: { open: "/*", close: "*/" } },
    closeBrackets: { brackets: ["(", "[", "{"] },
  },
};
