// The page renews what lives on it every two seconds, and tells the simulator
// what its buttons and lists say. Without it the page still shows everything.
"use strict";

const every = 2000;
const said = document.getElementById("said");

async function tell(method, path, body) {
  let well = false;
  try {
    const answer = await fetch(path, { method, body, headers: body ? { "Content-Type": "application/json" } : {} });
    well = answer.ok;
  } catch {
    well = false; // the simulator has stopped
  }
  said.textContent = well ? said.dataset.done : said.dataset.failed;
  renew();
}

async function renew() {
  const live = document.getElementById("live");
  if (document.hidden || live.contains(document.activeElement)) return; // somebody is choosing
  try {
    const page = await (await fetch(location.href)).text();
    live.replaceChildren(...new DOMParser().parseFromString(page, "text/html").getElementById("live").childNodes);
  } catch {
    said.textContent = said.dataset.failed;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.post) tell("POST", "/scenario", button.dataset.post);
  if (button.dataset.delete) {
    button.blur();
    tell("DELETE", button.dataset.delete);
  }
});

document.addEventListener("change", (event) => {
  const { account } = event.target.dataset;
  if (!account) return;
  event.target.blur();
  tell("PUT", "/accounts/" + encodeURIComponent(account), JSON.stringify({ state: event.target.value }));
});

setInterval(renew, every);
