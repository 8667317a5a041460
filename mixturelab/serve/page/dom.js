// Making and filling elements. Text goes in as text, never as markup: names come from files that others wrote.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An HTML element with attributes and children (elements or text). */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Show a sentence, or hide its place where there is none. */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

/** Let the browser draw and listen before going on. */
export function breathe() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
