// The script's editor: CodeMirror in a shadow root, over the text area that stays the form's field.
import * as cm from "../vendor/codemirror-6.43.15.min.js";
import { bpftrace } from "./bpftrace.js";
import { make, post } from "./page.js";

const SORTS = {
  keyword: "keyword", builtin: "constant", function: "function", variable: "variable", map: "property", path: "namespace",
  probe: "method", argument: "variable", member: "property",
};

const colours = cm.HighlightStyle.define([
  { tag: cm.tags.keyword, color: "var(--accent)", fontWeight: "600" },
  { tag: cm.tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [cm.tags.string, cm.tags.attributeName], color: "var(--ok)" },
  { tag: [cm.tags.propertyName, cm.tags.variableName], color: "var(--usdt)" },
  { tag: [cm.tags.number, cm.tags.atom], color: "var(--warn)" },
  { tag: cm.tags.labelName, color: "var(--accent)" },
]);

const look = cm.EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--bg)", fontSize: "12.5px", width: "100%" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "18px", maxHeight: "520px", overflow: "auto" },
  ".cm-content, .cm-gutter": { minHeight: "160px" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "0" },
  ".cm-activeLine": { backgroundColor: "var(--tint)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--tint)", color: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--border)", borderRadius: "var(--radius)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.9" },
  ".cm-matchingBracket": { backgroundColor: "var(--tint)", outline: "1px solid var(--border)" },
  ".cm-panels": { backgroundColor: "var(--surface)", color: "var(--text)" },
});

// The server counts characters, the editor UTF-16 units.
function characters(text, units) {
  return [...text.slice(0, units)].length;
}

function units(text, count) {
  return [...text].slice(0, count).join("").length;
}

// What may be written here, out of the host's own binaries.
async function complete(context) {
  const word = context.matchBefore(/[\w@$.:>/"-]+/);
  if (!word && !context.explicit) return null;
  const script = context.state.doc.toString();
  const answer = await post("/api/v1/scripts/complete", { script, place: characters(script, context.pos) }).catch(() => null);
  if (!answer?.items.length || context.aborted) return null;
  const options = answer.items.map((each, at) => ({
    label: each.label, detail: each.detail, type: SORTS[each.sort], boost: -Math.min(99, at),
  }));
  return { from: units(script, answer.start), options, filter: false };
}

// onInput(): the text was changed; onStart(): Ctrl Enter.
export function open(area, onInput, onStart) {
  const host = make("div", { class: "code" });
  const root = host.attachShadow({ mode: "open" });
  const start = { key: "Mod-Enter", run: () => (onStart(), true) };
  const changed = cm.EditorView.updateListener.of((update) => {
    if (!update.docChanged) return;
    area.value = update.state.doc.toString();
    onInput();
  });
  const view = new cm.EditorView({
    root,
    parent: root,
    state: cm.EditorState.create({
      doc: area.value,
      extensions: [
        cm.lineNumbers(), cm.history(), cm.drawSelection(), cm.highlightActiveLine(), cm.bracketMatching(), cm.closeBrackets(), cm.lintGutter(),
        cm.StreamLanguage.define(bpftrace), cm.syntaxHighlighting(colours), look, cm.indentUnit.of("  "),
        cm.autocompletion({ override: [complete], activateOnTypingDelay: 150 }), cm.search({ top: true }),
        cm.keymap.of([start, ...cm.closeBracketsKeymap, ...cm.completionKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.lintKeymap, ...cm.defaultKeymap]),
        cm.EditorView.contentAttributes.of({ "aria-label": "Script", spellcheck: "false", autocorrect: "off", autocapitalize: "off" }),
        changed,
      ],
    }),
  });
  const typing = document.activeElement === area;
  const { selectionStart: anchor, selectionEnd: head } = area;
  // What scrolls can be scrolled by keys, too.
  view.scrollDOM.tabIndex = 0;
  view.scrollDOM.setAttribute("role", "group");
  view.scrollDOM.setAttribute("aria-label", "Script and line numbers");
  area.hidden = true;
  area.after(host);
  if (typing) {
    view.dispatch({ selection: { anchor, head } });
    view.focus();
  }
  return {
    // Marks in place what is wrong: items of {line, column, end_column, severity, message}, 1-based.
    mark(items) {
      const { doc } = view.state;
      const found = items.map((each) => {
        const line = doc.line(Math.min(Math.max(1, each.line), doc.lines));
        const from = Math.min(line.to, line.from + Math.max(0, each.column - 1));
        const to = Math.min(line.to, Math.max(from, line.from + Math.max(0, (each.end_column ?? each.column) - 1)));
        return { from, to, severity: each.severity, message: each.message };
      });
      view.dispatch(cm.setDiagnostics(view.state, found));
    },
    go(line) {
      const { from, to } = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
      view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
      view.focus();
    },
  };
}
