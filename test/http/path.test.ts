// Path hygiene: Envoy's examples, RFC 3986's, and the spellings that dodge rules on paths.

import t from 'tap';
import { cleanPath, hasEscapedSlash, mergeSlashes, needsRedirect, normalizePath, unescapeSlashes } from '../../src/http/path.ts';
import type { PathRules } from '../../src/http/path.ts';

t.test('normalizePath', (t) => {
  const cases: Record<string, string> = {
    '/': '/',
    '/a/b/../c': '/a/c',
    '/a/b/./c': '/a/b/c',
    '/a/b/../../../../c': '/c',
    '/a/..\\c': '/c',
    '/a\\b': '/a/b',
    '/%c0%af': '/%c0%af',
    '/%5c%25': '/%5c%25',
    '/a/b/%2E%2E/c': '/a/c',
    '/a/b/%2e./c': '/a/c',
    '/a/%2e/c': '/a/c',
    '/a/%2F%2f/c': '/a/%2F%2f/c',
    '/%41%7e%2D%5f%30': '/A~-_0',
    '/%C3%A9/%20': '/%C3%A9/%20',
    '/a/..': '/',
    '/a/b/..': '/a/',
    '/a/.': '/a/',
    '/.': '/',
    '/..': '/',
    '/../..//x': '//x',
    '/a//../b': '/a/b',
    '/a/...': '/a/...',
    '/a/.b/..c/d.': '/a/.b/..c/d.',
    '/.well-known/x': '/.well-known/x',
    '/a/b/../c?x=/../y&z=%2e%2e': '/a/c?x=/../y&z=%2e%2e',
    '/..?': '/?',
    '/%zz/%4/%': '/%zz/%4/%',
    '/%252e%252e/x': '/%252e%252e/x',
    '/caf\xe9/./x': '/caf\xe9/x',
    '/xyz/.%00../abc': '',
    '/xyz/AAAAA%%0000/abc': '',
    '/x?y=%00': '/x?y=%00',
    '/a;/..;/b': '/a;/..;/b',
  };
  for (const [path, expected] of Object.entries(cases)) {
    t.equal(normalizePath(path), expected, path);
    if (expected !== '') t.equal(normalizePath(expected), expected, `${expected} is normal`);
  }
  t.end();
});

t.test('mergeSlashes', (t) => {
  const cases: Record<string, string> = { '/': '/', '//': '/', '/a//b///c/': '/a/b/c/', '//a': '/a', '/a//?x//y': '/a/?x//y', '/a/b': '/a/b', '/a%2f/b': '/a%2f/b' };
  for (const [path, expected] of Object.entries(cases)) t.equal(mergeSlashes(path), expected, path);
  t.end();
});

t.test('escaped slashes', (t) => {
  const cases: Record<string, string> = { '/a%2fb%2Fc%5cd%5C': '/a/b/c\\d\\', '/%2': '/%2', '/%2g%5d': '/%2g%5d', '/a?%2f': '/a?%2f', '/%252f': '/%252f', '%2f': '/', '/%2f?%2f': '//?%2f' };
  for (const [path, expected] of Object.entries(cases)) {
    t.equal(unescapeSlashes(path), expected, path);
    t.equal(hasEscapedSlash(path), expected !== path, path);
  }
  t.end();
});

t.test('cleanPath', (t) => {
  const rules = (changed: Partial<PathRules>): PathRules => ({ normalizePath: true, mergeSlashes: false, pathWithEscapedSlashes: 'keep', ...changed });
  t.equal(cleanPath('/plain/path.html?x=//../%2f', rules({})), '/plain/path.html?x=//../%2f', 'nothing to do');
  t.equal(cleanPath('*', rules({})), '*', 'no path');
  t.equal(cleanPath('/a/../b', rules({ normalizePath: false })), '/a/../b', 'not asked to');
  t.equal(cleanPath('/a/%00', rules({})), '', 'refused');
  t.equal(cleanPath('/a/%00', rules({ normalizePath: false })), '/a/%00', 'not looked at');
  t.equal(cleanPath('/a//b', rules({})), '/a//b');
  t.equal(cleanPath('/a//b', rules({ mergeSlashes: true })), '/a/b');
  t.equal(cleanPath('/a/.//b', rules({ mergeSlashes: true })), '/a/b');
  t.equal(cleanPath('/a%2fb', rules({})), '/a%2fb');
  t.equal(cleanPath('/a%2fb', rules({ pathWithEscapedSlashes: 'reject' })), '', 'reject');
  t.equal(cleanPath('/ab?%2f', rules({ pathWithEscapedSlashes: 'reject' })), '/ab?%2f', 'the query is free');
  t.equal(cleanPath('/a%2f..%5cb', rules({ pathWithEscapedSlashes: 'unescapeAndForward' })), '/b', 'unescaped before it is normalized');
  t.equal(cleanPath('/a%2f%2Fb', rules({ pathWithEscapedSlashes: 'unescapeAndRedirect', mergeSlashes: true })), '/a/b');
  t.ok(needsRedirect('/a%2fb', rules({ pathWithEscapedSlashes: 'unescapeAndRedirect' })));
  t.notOk(needsRedirect('/a/b', rules({ pathWithEscapedSlashes: 'unescapeAndRedirect' })));
  t.notOk(needsRedirect('/a%2fb', rules({ pathWithEscapedSlashes: 'unescapeAndForward' })));
  t.end();
});
