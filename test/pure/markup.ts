export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

const TOKEN = /<\?[^>]*\?>|<\/([\w:-]+)>|<([\w:-]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/y;

/** The elements of an XML text in the order in which they begin. @throws Error where it is not well-formed */
export function parseMarkup(markup: string): Element[] {
  const elements: { name: string; attributes: Record<string, string>; text: string }[] = [];
  const open: typeof elements = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < markup.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(markup);
    if (token === null) throw new Error(`not well-formed at ${at}: ${markup.slice(at, at + 80)}`);
    const [, closed, opened, attributes = '', empty, text] = token;
    if (text !== undefined) {
      const inner = open.at(-1);
      if (inner !== undefined) inner.text += unescape(text);
    } else if (closed !== undefined) {
      if (open.pop()?.name !== closed) throw new Error(`</${closed}> at ${at} closes nothing`);
    } else if (opened !== undefined) {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, unescape(value!)]);
      if (new Set(pairs.map(([name]) => name)).size < pairs.length) throw new Error(`<${opened}> at ${at} has an attribute twice`);
      const element = { name: opened, attributes: Object.fromEntries(pairs) as Record<string, string>, text: '' };
      elements.push(element);
      if (empty === '') open.push(element);
    }
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)!.name}> is not closed`);
  return elements;
}

function unescape(text: string): string {
  return text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&');
}
