// The theme switch without loading the page again: the same cookie that the form sets.
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const ICON = { auto: "monitor", light: "sun", dark: "moon" };

export function attach(form) {
  const button = form.querySelector("button");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const theme = button.value;
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    document.documentElement.dataset.theme = theme;
    button.value = NEXT[theme];
    button.setAttribute("aria-label", `Theme: ${theme}; change to ${NEXT[theme]}`);
    const use = button.querySelector("use");
    use.setAttribute("href", `${use.getAttribute("href").split("#")[0]}#${ICON[theme]}`);
    document.dispatchEvent(new CustomEvent("theme"));
  });
}
