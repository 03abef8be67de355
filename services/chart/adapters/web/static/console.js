// What every page does: says why a part of it could not be fetched, and goes to the sign-in when the session is over.
"use strict";

document.addEventListener("htmx:responseError", (event) => {
  const answer = event.detail.xhr;
  const sentence = new DOMParser().parseFromString(answer.responseText, "text/html").body.textContent.trim();
  tell(sentence || "That was not possible. Try again.");
});

document.addEventListener("htmx:sendError", () => {
  tell("The console does not answer. What you see may be out of date.");
});

function tell(sentence) {
  const notice = document.createElement("p");
  notice.className = "notice bad";
  notice.textContent = sentence;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "Close";
  close.addEventListener("click", () => notice.remove());
  notice.append(" ", close);
  document.getElementById("notices").replaceChildren(notice);
}
