// The page works without this file: its buttons are forms. With it, nothing is
// loaded anew: a form is sent in the background and what changed comes as events.
"use strict";

const problem = document.getElementById("problem");
let hiding;

function complain(text) {
  problem.textContent = text;
  problem.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { problem.hidden = true; }, 8000);
}

async function act(url, body) {
  try {
    const answer = await fetch(url, { method: "POST", body });
    if (!answer.ok) complain((await answer.json()).detail);
    else problem.hidden = true;
  } catch {
    complain(document.documentElement.lang === "fr" ? "Le lecteur ne répond plus. Vérifiez qu'il tourne encore." : "The reader no longer answers. Check that it is still running.");
  }
}

document.addEventListener("submit", (e) => {
  e.preventDefault();
  const by = e.submitter;
  const url = by && by.hasAttribute("formaction") ? by.formAction : e.target.action;
  act(url, new URLSearchParams(new FormData(e.target, by)));
});

// The keys of a keyboard are the reader's while it has the focus.
const keys = { Enter: "ok", Backspace: "clear", Escape: "cancel" };
document.querySelector(".reader").addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || e.target.tagName === "INPUT") return;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(e.code);
  let key = digit ? digit[1] : keys[e.key];
  if (e.key === "Enter" && e.target.tagName === "BUTTON") key = undefined; // presses that button
  if (!key) return;
  e.preventDefault();
  act("/v1/actions/key", new URLSearchParams({ key }));
});

// A part that is replaced keeps the focus on the element of the same id.
function replace(id, html) {
  const at = document.getElementById(id);
  const focused = at.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = at.querySelector(".roll")?.scrollTop;
  at.innerHTML = html;
  if (focused) (document.getElementById(focused) ?? document.getElementById("pad")).focus();
  if (scrolled) at.querySelector(".roll").scrollTop = scrolled;
}

const events = new EventSource("/v1/events" + location.search);
events.addEventListener("state", (e) => {
  for (const [id, html] of Object.entries(JSON.parse(e.data).html)) replace(id, html);
});
