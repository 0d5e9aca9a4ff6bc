// Controls that the page's address knows by a word: set from it, and written into it when they change.

// live.address(changes) writes; a control says its word in data-word, and is left out while it is as it came.
export function attachWords(root, live) {
  const query = new URLSearchParams(location.search);
  for (const control of root.querySelectorAll("[data-word]")) {
    const box = control.type === "checkbox";
    const read = () => (box ? String(Number(control.checked)) : control.value);
    const first = read();
    const asked = query.get(control.dataset.word);
    if (asked !== null && box) control.checked = asked === "1";
    else if (asked !== null && [...control.options].some((option) => option.value === asked)) control.value = asked;
    control.addEventListener("change", () => live.address({ [control.dataset.word]: read() === first ? null : read() }));
  }
}
