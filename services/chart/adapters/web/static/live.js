// The work list follows by itself: when the console says that something changed, the list is asked for again, unless
// somebody is filling in a form on it. Without a sign of life from the console the page says that it may be out of date,
// and tries again: a list that stands still must not look like a quiet ward.
"use strict";

const LIVE = { "X-Refrain-Live": "1" };
const WAIT_MILLISECONDS = 1500;
let due = null;
let seen = null;

const SILENT_MILLISECONDS = 30000;
const AGAIN_MILLISECONDS = 5000;
let source = null;
let silent = null;
let lost = false;
let heard = new Date();

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("change", (event) => {
    alive();
    if (seen !== null && seen !== event.data) later();
    seen = event.data;
  });
  source.addEventListener("still", (event) => {
    alive();
    behind(event.data);
  });
  source.addEventListener("over", () => {
    source.close();
    window.location.reload();
  });
  source.addEventListener("error", () => {
    quiet();
    if (source.readyState === EventSource.CLOSED) again(); // refused: the browser does not try again by itself
  });
  expect();
}

function expect() {
  clearTimeout(silent);
  silent = setTimeout(() => { quiet(); listen(); }, SILENT_MILLISECONDS);
}

function alive() {
  heard = new Date();
  expect();
  if (!lost) return;
  lost = false;
  document.getElementById("lost")?.remove();
  later();
}

function quiet() {
  if (lost) return;
  lost = true;
  const notice = document.createElement("p");
  notice.id = "lost";
  notice.className = "notice bad";
  notice.setAttribute("role", "alert");
  const time = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit", minute: "2-digit", timeZone: document.body.dataset.zone,
  }).format(heard);
  notice.textContent =
    `No connection to the console since ${time}: new alerts do not show here. It tries again by itself.`;
  document.getElementById("main").prepend(notice);
}

// The console is there, and what it reads from is not: the page says of when it is, and no longer when it is well again.
function behind(moment) {
  const known = document.getElementById("behind");
  if (!moment) known?.remove();
  if (!moment || known !== null) return;
  const notice = document.createElement("p");
  notice.id = "behind";
  notice.className = "notice bad";
  notice.setAttribute("role", "alert");
  notice.textContent = `What is shown is of ${moment}: what came since is not here. Do not take the work list for complete.`;
  document.getElementById("main").prepend(notice);
}

// Somebody whose session is over signs in again; everybody else is connected again as soon as the console answers.
function again() {
  clearTimeout(silent);
  silent = setTimeout(async () => {
    const asking = new AbortController();
    try {
      const answer = await fetch("/events", { headers: { ...LIVE, Accept: "text/event-stream" }, signal: asking.signal });
      if (answer.status === 401) return window.location.reload();
      if (answer.ok) return listen();
    } catch { /* away: asked again below */ } finally {
      asking.abort();
    }
    again();
  }, AGAIN_MILLISECONDS);
}

listen();

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
