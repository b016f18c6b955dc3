// Preloaded (`--import`) into every thread of a proxy under test: makes its Node one that hides OpenSSL's symbols, as builds
// with their own or a stripped OpenSSL do. The look-up that fails is the real one. Test code only.

import { createRequire } from 'node:module';

interface Library {
  func(declaration: string, ...rest: unknown[]): unknown;
}

const koffi = createRequire(import.meta.url)('koffi') as { load(path: string | null, ...rest: unknown[]): Library };
const { load } = koffi;

koffi.load = (...args) => {
  const library = load(...args);
  const { func } = library;
  return {
    func: (declaration, ...rest) => Reflect.apply(func, library, [declaration.replace(/\b(?=(?:SSL|TLS|X509|BIO|EVP)_)/, 'hidden_'), ...rest]),
  };
};
