// The work list follows by itself: when the console says that something changed, the list is asked for again, unless
// somebody is filling in a form on it. A page of one alert says that it can be reloaded.
"use strict";

const LIVE = { "X-Refrain-Live": "1" };
const WAIT_MILLISECONDS = 1500;
let due = null;
let seen = null;

const source = new EventSource("/events");
source.addEventListener("change", (event) => {
  if (seen !== null && seen !== event.data) later();
  seen = event.data;
});
source.addEventListener("over", () => {
  source.close();
  window.location.reload();
});

function later() {
  if (due === null) due = setTimeout(() => { due = null; refresh(); }, WAIT_MILLISECONDS);
}

function refresh() {
  const list = document.getElementById("list");
  if (list === null) return;
  if (document.hidden || list.querySelector(".answering")) {
    later();
    return;
  }
  const before = Number(list.dataset.waiting);
  const focused = document.activeElement ? selectorOf(document.activeElement, list) : "";
  htmx.ajax("GET", list.dataset.refresh, { target: "#list", swap: "outerHTML", headers: LIVE }).then(() => {
    const now = Number(document.getElementById("list").dataset.waiting);
    if (now > before) say(`${now - before} more ${now - before === 1 ? "alert waits" : "alerts wait"}.`);
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  });
}

// Where the focus is, in a way that finds it in the next list too.
function selectorOf(element, list) {
  const row = element.closest("tr[id]");
  if (!list.contains(element) || row === null) return "";
  return `#${CSS.escape(row.id)} a[href="${CSS.escape(element.getAttribute("href") ?? "")}"]`;
}

function say(sentence) {
  const news = document.getElementById("list-news");
  if (news !== null) news.textContent = sentence;
}

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close === null) return;
  const row = document.getElementById(close.dataset.close);
  row.previousElementSibling?.querySelector("a.button")?.focus();
  row.remove();
  later();
});

// One set of forms a row, and the focus goes where the person goes on.
document.addEventListener("htmx:beforeRequest", (event) => {
  const asked = event.detail.elt;
  if (!asked.hasAttribute("data-once")) return;
  const open = asked.closest("tr").nextElementSibling;
  if (open?.classList.contains("answering")) {
    event.preventDefault();
    open.querySelector("select, input:not([type=hidden])")?.focus();
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  const made = event.detail.elt;
  if (made.matches?.(".answering")) made.querySelector("select, input:not([type=hidden])")?.focus();
  if (made.matches?.("[data-answered]")) {
    made.focus();
    const row = made.closest("tr.answering");
    if (row !== null) {
      row.classList.remove("answering");
      later();
    }
  }
});

// Without an answer the forms stay as they were filled in.
document.addEventListener("htmx:beforeSwap", (event) => {
  const forms = event.detail.target;
  const answer = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  const problem = answer.body.querySelector(":scope > .notice.bad:only-child");
  if (problem === null || !forms.classList?.contains("answer")) return;
  event.detail.shouldSwap = false;
  forms.querySelector("[id^=problem-]").replaceChildren(problem);
});
