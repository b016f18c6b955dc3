// Every code a configuration problem can carry, with what it means. Primary thread; constants only.
// ERRORS.md shows the same table to users; a test compares the two, and another wants a broken file for each code.

export const ERROR_CODES = {
  // Text
  syntax: 'The text is not valid JSON (with comments) or YAML 1.2.',
  'duplicate-key': 'An object holds the same key twice.',
  'forbidden-key': 'The key `__proto__` is refused everywhere.',
  'too-deep': 'Objects and lists are nested deeper than 64 levels, or an alias contains itself.',
  'not-plain': 'A JS module exported something that JSON cannot hold, such as a function or a Date.',
  // Environment
  'env-unset': 'A `${NAME}` without default names a variable that is not set.',
  'env-syntax': 'A `${` is not followed by a variable name, or is not closed. `$${` stands for a literal `${`.',
  // Keys and values
  'unknown-key': 'The language has no such key here.',
  'later-key': 'The key belongs to the language, but does not work in this version yet.',
  'missing-key': 'A required key is absent.',
  'wrong-type': 'The value is of another type than the key takes.',
  'wrong-value': 'The value is not one of those that the key takes.',
  'out-of-range': 'A number, size or duration is too small or too large.',
  'too-few': 'A list needs more entries.',
  'one-of': 'Exactly one (or at most one) of several keys must be given.',
  // Values with a form of their own, by the form's name
  'bad-duration': 'Not a duration such as `"250ms"`, `"15s"`, `"5m"`, `"1h"`.',
  'bad-size': 'Not a number of bytes or a size such as `"64KiB"`, `"1MiB"`, `"1GiB"`.',
  'bad-listen-address': 'Not an address to listen on: `IP:port`, `[v6]:port`, `unix:/path` or `unix:@name`.',
  'bad-endpoint-address': 'Not the address of an endpoint: `IP:port`, `[v6]:port`, `name:port`, `unix:/path` or `unix:@name`.',
  'bad-resolver': 'Not the address of a DNS server: `IP`, `IP:port` or `[v6]:port`.',
  'bad-cidr': 'Not an address range such as `10.0.0.0/8` or `fd00::/8`.',
  'bad-domain': 'Not a domain: a host name, `*.suffix`, `prefix.*` or `*`.',
  'bad-authority': 'Not a host, or host and port, that can stand in a Host header.',
  'bad-path': 'Not a path that a request could have: it starts with `/` and holds no query, blank or control character.',
  'bad-separated-prefix': 'Not a path prefix of whole segments: it starts with `/` and does not end with one.',
  'bad-template': 'Not a path template such as `/users/{id}`.',
  'bad-regex': 'Not a regular expression that a linear-time engine (RE2) can run.',
  'bad-upgrade': 'Not the name of a protocol that an HTTP/1.1 connection can change to.',
  'bad-grpc-method': 'Not a gRPC method such as `helloworld.Greeter/SayHello`.',
  'bad-method': 'Not an HTTP method; methods are case-sensitive.',
  'bad-header-name': 'Not the name of a header.',
  'bad-header-value': 'Not the value of a header: printable ASCII, no line breaks.',
  'bad-edited-header': 'A header that Nuncio manages itself, or no header name.',
  'bad-status-filter': 'Not a status filter such as `">=500"`, `"200-299"` or `"404"`.',
  'bad-name': 'Not a usable name: it is empty, or holds a control character.',
  'bad-format': 'An access-log operator is unknown or malformed.',
  'bad-server-name': 'Not the name of a server: a host name or `*.suffix`.',
  'bad-cipher': 'Not the name of a cipher suite that OpenSSL here knows.',
  'bad-alpn': 'Not the name of a protocol for ALPN: 1 to 255 printable characters.',
  'bad-hex': 'Not bytes in hexadecimal: pairs of the digits 0-9 and a-f.',
  // Files that the configuration names
  'unreadable-file': 'A file that the configuration names cannot be read.',
  'bad-certificate': 'A file that should hold certificates (PEM) does not, or one of them cannot be read.',
  'bad-key': 'A private key cannot be read, needs a password, or does not belong to its certificate; or a ticket key has not 80 bytes.',
  // What the parts say about each other
  'duplicate-name': 'Two objects of one kind have the same name.',
  'duplicate-address': 'Two sockets would listen on one address, or a cluster lists one endpoint twice.',
  'duplicate-domain': 'Two virtual hosts of one listener claim the same domain.',
  'unknown-cluster': 'A route names a cluster that does not exist.',
  'rewrite-mismatch': 'A rewrite does not fit what the route matches.',
  'zero-weight': 'The weights of a choice add up to nothing, or to too much.',
  'body-too-large': 'The body of a direct response is larger than 4 KiB.',
  'body-not-allowed': 'A response with this status cannot have a body.',
  conflict: 'Two settings contradict each other.',
  // Warnings: the file is accepted
  'unreachable-route': 'Warning: an earlier route of the virtual host already takes every such request.',
  'empty-cluster': 'Warning: a cluster without endpoints answers every request with 503.',
  'no-effect': 'Warning: another setting stands in for this one.',
  'expired-certificate': 'Warning: a certificate has expired, or is not valid yet.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
