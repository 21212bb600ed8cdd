// Short words for making elements.

export function element<Name extends keyof HTMLElementTagNameMap>(name: Name, className = '', text = ''): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

/** An element with others in it. */
export function holding<Name extends keyof HTMLElementTagNameMap>(name: Name, className: string, ...inside: readonly (Node | string)[]): HTMLElementTagNameMap[Name] {
  const made = element(name, className);
  made.append(...inside);
  return made;
}

export function button(className: string, text: string, pressed: () => void): HTMLButtonElement {
  const made = element('button', className, text);
  made.type = 'button';
  made.addEventListener('click', pressed);
  return made;
}

export function svgElement<Name extends keyof SVGElementTagNameMap>(name: Name, attributes: Readonly<Record<string, string | number>>): SVGElementTagNameMap[Name] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  return made;
}

/** Writes only what is new, so that a screen reader is not told the same again. */
export function write(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}

/** A list of terms, each with its value. */
export function facts(className: string, pairs: readonly (readonly [term: string, value: string | Node])[]): HTMLDListElement {
  return holding('dl', className, ...pairs.map(([term, value]) => holding('div', '', element('dt', '', term), holding('dd', '', value))));
}

/** A table whose first column names the rows. */
export function table(className: string, caption: string, head: readonly string[], rows: readonly (readonly string[])[]): HTMLTableElement {
  const cells = (row: readonly string[]): HTMLElement[] => row.map((text, index) => scoped(index === 0 ? 'row' : undefined, text));
  return holding('table', className,
    element('caption', '', caption),
    holding('thead', '', holding('tr', '', ...head.map((text) => scoped('col', text)))),
    holding('tbody', '', ...rows.map((row) => holding('tr', '', ...cells(row)))),
  );
}

/** What may be wider than a phone: it scrolls by itself, with the keyboard too. */
export function scrolling(label: string, ...inside: readonly Node[]): HTMLDivElement {
  const made = holding('div', 'scrolling', ...inside);
  made.tabIndex = 0;
  made.setAttribute('role', 'region');
  made.setAttribute('aria-label', label);
  return made;
}

let sections = 0;

/** A part of the page with its heading. */
export function titled(name: 'section' | 'figure' | 'li', className: string, level: 'h2' | 'h3', title: string, ...inside: readonly Node[]): HTMLElement {
  const heading = element(level, '', title);
  heading.id = `part-${++sections}`;
  const made = holding(name, className, heading, ...inside);
  made.setAttribute('aria-labelledby', heading.id);
  return made;
}

function scoped(scope: 'row' | 'col' | undefined, text: string): HTMLElement {
  if (scope === undefined) return element('td', '', text);
  const made = element('th', '', text);
  made.scope = scope;
  return made;
}
