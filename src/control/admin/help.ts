// The list of pages as text (`/help`, and the answer to an unknown path) and as the home page with links and buttons.
// Primary thread; pure.

import type { Answer, Page } from './page.ts';
import { HTML, text } from './page.ts';

export function helpText(pages: readonly Page[]): string {
  const lines = sorted(pages).flatMap((page) => [
    `  ${page.path}${page.mutates ? ' (POST)' : ''}: ${page.help}`,
    ...page.params.map(([name, help]) => `      ${name}: ${help}`),
  ]);
  return `admin commands are:\n${lines.join('\n')}\n`;
}

export function helpPages(pages: () => readonly Page[]): Page[] {
  return [
    { path: '/', mutates: false, help: 'Admin home page', params: [], answer: () => home(pages()) },
    { path: '/help', mutates: false, help: 'print out list of admin commands', params: [], answer: () => text(helpText(pages())) },
  ];
}

function sorted(pages: readonly Page[]): Page[] {
  return [...pages].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function home(pages: readonly Page[]): Answer {
  const rows = sorted(pages).map((page) => {
    const name = escapeHtml(page.path);
    const link = page.mutates
      ? `<form action="${name.slice(1)}" method="post"><button>${name.slice(1)}</button></form>`
      : `<a href="${name.slice(1) || '.'}">${name.slice(1) || 'home'}</a>`;
    const params = page.params.map(([param, help]) => `<br><small><code>${escapeHtml(param)}</code> ${escapeHtml(help)}</small>`).join('');
    return `<tr><td>${link}</td><td>${escapeHtml(page.help)}${params}</td></tr>`;
  });
  const body = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Nuncio Admin</title>
<link rel="icon" href="data:,">
<style>
body { font-family: sans-serif; margin: 2em; }
td { padding: 4px 12px 4px 0; vertical-align: top; }
form { margin: 0; }
small { color: #555; }
</style>
</head>
<body>
<table>
<thead><tr><th align="left">Command</th><th align="left">Description</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`;
  return { status: 200, type: HTML, body };
}

function escapeHtml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
