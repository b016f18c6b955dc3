// Checks of what routes do: clusters that exist, rewrites and redirects that fit the match, lawful answers.
// Primary thread; pure.

import { RE2JS } from 're2js';

import type { Problem } from '../errors.ts';
import { MAX_RESPONSE_BODY_BYTES, MAX_WEIGHT } from '../limits.ts';
import type { Place } from '../place.ts';
import { DESTINATIONS } from '../schema/route.ts';
import { suggest } from '../suggest.ts';
import { explainTemplate, templateVariables } from '../template.ts';
import { checkAffinity } from './affinity.ts';
import type { CheckScope } from './check.ts';
import { atMostOne, exactlyOne } from './choices.ts';
import { checkHeaderEdits } from './headers.ts';
import { checkForwardSubset } from './subsets.ts';

/** Comparing with every name takes its time, and nobody reads more: a reload must not hang on a file of wrong names. */
const MAX_SUGGESTIONS = 100;
const PREFIX_MATCHERS: readonly string[] = ['prefix', 'pathSeparatedPrefix'];
/** RFC 9110 sections 15.3.5, 15.3.6, 15.4.5. */
const BODILESS = [204, 205, 304];

export function checkForward(forward: Place, match: Place, matcher: string | null, scope: CheckScope): void {
  const { problems } = scope;
  exactlyOne(forward, 'forward', DESTINATIONS, problems);
  checkClusterName(forward.at('cluster'), scope);
  const weighted = forward.at('clusters').items();
  for (const item of weighted) checkClusterName(item.at('name'), scope);
  if (weighted.length > 0) checkWeights(forward.at('clusters'), problems);
  checkForwardSubset(forward, scope);
  checkRewrite(forward.at('rewrite'), match, matcher, problems);
  checkAffinity(forward, scope);
  checkHeaderEdits(forward.at('requestHeaders'), scope);
  checkHeaderEdits(forward.at('responseHeaders'), scope);
}

export function checkClusterName(place: Place, { clusterNames, problems }: CheckScope): void {
  const name = place.text();
  if (name === null || clusterNames === null || clusterNames.has(name)) return;
  const hint = problems.length < MAX_SUGGESTIONS ? suggest(name, [...clusterNames]) : {};
  problems.push({ code: 'unknown-cluster', pointer: place.pointer, message: `there is no cluster ${JSON.stringify(name)}`, ...hint });
}

export function checkWeights(clusters: Place, problems: Problem[]): void {
  const weights = clusters.items().map((cluster) => cluster.at('weight').number() ?? 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (weights.every((weight) => weight === 0)) problems.push({ code: 'zero-weight', pointer: clusters.pointer, message: 'the weights add up to 0: no cluster could be chosen' });
  if (total > MAX_WEIGHT) problems.push({ code: 'zero-weight', pointer: clusters.pointer, message: `the weights add up to more than ${MAX_WEIGHT}` });
}

function checkRewrite(rewrite: Place, match: Place, matcher: string | null, problems: Problem[]): void {
  atMostOne(rewrite, 'rewrite', ['prefix', 'regex', 'path'], problems);
  atMostOne(rewrite, 'rewrite', ['host', 'hostFrom'], problems);
  if (rewrite.has('prefix')) requirePrefixMatch(rewrite.at('prefix'), matcher, problems);
  checkPathRewrite(rewrite.at('path'), match, matcher, problems);
  checkSubstitution(rewrite.at('regex'), problems);
}

function requirePrefixMatch(place: Place, matcher: string | null, problems: Problem[]): void {
  if (matcher === null || PREFIX_MATCHERS.includes(matcher)) return;
  problems.push({ code: 'rewrite-mismatch', pointer: place.pointer, message: `needs a match by prefix or pathSeparatedPrefix, not by ${matcher}: use "path"` });
}

function checkPathRewrite(place: Place, match: Place, matcher: string | null, problems: Problem[]): void {
  const path = place.text() ?? '';
  const names = [...path.matchAll(/\{([^{}]*)\}/g)].map((found) => found[1] ?? '');
  if (/[{}]/.test(path.replaceAll(/\{[^{}]*\}/g, ''))) {
    problems.push({ code: 'bad-path', pointer: place.pointer, message: 'holds a brace that is not closed: {name} is taken from the match, a literal brace is %7B or %7D' });
  }
  if (names.length === 0 || matcher === null) return;
  if (matcher !== 'template') {
    problems.push({ code: 'rewrite-mismatch', pointer: place.pointer, message: `{${names[0]}} needs a match by template, not by ${matcher}` });
    return;
  }
  const template = match.at('template').text() ?? '';
  if (explainTemplate(template) !== null) return;
  const known = templateVariables(template);
  for (const name of names) {
    if (known.includes(name)) continue;
    problems.push({ code: 'rewrite-mismatch', pointer: place.pointer, message: `{${name}} is not in the template ${template}`, ...suggest(name, known) });
  }
}

function checkSubstitution(regex: Place, problems: Problem[]): void {
  const pattern = regex.at('pattern').text();
  const substitution = regex.at('substitution').text();
  if (pattern === null || substitution === null) return;
  const groups = groupCount(pattern);
  const pointer = regex.at('substitution').pointer;
  for (const [escape, next = ''] of substitution.matchAll(/\\([^]?)/g)) {
    if (next === '\\') continue;
    if (!/\d/.test(next)) {
      problems.push({ code: 'rewrite-mismatch', pointer, message: `${escape} is no escape: \\0 to \\9 are groups, \\\\ is a backslash` });
    } else if (groups !== null && Number(next) > groups) {
      problems.push({ code: 'rewrite-mismatch', pointer, message: `${escape} is not a group of the pattern, which has ${groups}` });
    }
  }
}

/** Null for a pattern that does not compile, which the schema reports. */
function groupCount(pattern: string): number | null {
  try {
    return RE2JS.compile(pattern).groupCount();
  } catch {
    return null;
  }
}

export function checkRedirect(redirect: Place, matcher: string | null, problems: Problem[]): void {
  if (!redirect.isObject()) return;
  atMostOne(redirect, 'redirect', ['path', 'prefix'], problems);
  if (redirect.has('prefix')) requirePrefixMatch(redirect.at('prefix'), matcher, problems);
  if ((redirect.at('port').number() ?? 0) !== 0 && /:\d+$/.test(redirect.at('host').text() ?? '')) {
    problems.push({ code: 'conflict', pointer: redirect.at('port').pointer, atKey: true, message: '"host" names a port already' });
  }
  const changes = ['scheme', 'path', 'prefix'].some((key) => redirect.has(key)) ||
    redirect.at('stripQuery').value === true || (redirect.at('host').text() ?? '') !== '' || (redirect.at('port').number() ?? 0) !== 0;
  if (!changes) {
    const keys = ['scheme', 'host', 'port', 'path', 'prefix', 'stripQuery'];
    problems.push({ code: 'one-of', pointer: redirect.pointer, message: `the redirect leads back to where it came from: it needs one of ${keys.join(', ')}`, wanted: keys });
  }
}

export function checkRespond(respond: Place, problems: Problem[]): void {
  const body = respond.at('body');
  const bytes = Buffer.byteLength(body.text() ?? '');
  const status = respond.at('status').number();
  if (bytes > MAX_RESPONSE_BODY_BYTES) {
    problems.push({ code: 'body-too-large', pointer: body.pointer, message: `has ${bytes} bytes; a direct response may have ${MAX_RESPONSE_BODY_BYTES}` });
  }
  if (bytes > 0 && status !== null && BODILESS.includes(status)) {
    problems.push({ code: 'body-not-allowed', pointer: body.pointer, message: `a response with status ${status} has no body` });
  }
}
