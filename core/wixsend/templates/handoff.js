"use strict";
// Each button copies the text of the element that it names. Where the clipboard is closed to us, the text is selected, to be copied by hand.
(function () {
  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  async function copy(element) {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch (closed) {
      select(element);
      return document.execCommand("copy");
    }
  }
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async function () {
      const copied = await copy(document.getElementById(button.dataset.copy));
      said.textContent = copied ? "Copied" : "The text is selected: copy it with Ctrl and C";
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
      setTimeout(function () { button.textContent = label; }, 2500);
    });
  }
})();
