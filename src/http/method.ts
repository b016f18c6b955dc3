// @hot
// Method names from bytes to strings without an allocation for the ones everybody uses. Any thread; constant.

/** The method in `[start, end)`, letter case kept: methods are case-sensitive (RFC 9110 section 9.1). */
export function methodOf(buf: Buffer, start: number, end: number): string {
  const candidate = candidateOf(end - start, buf[start]!);
  for (let i = 0; i < candidate.length; i++) {
    if (buf[start + i]! !== candidate.charCodeAt(i)) return buf.latin1Slice(start, end);
  }
  return candidate.length > 0 ? candidate : buf.latin1Slice(start, end);
}

/** The common method with this length and first letter, or ''. */
function candidateOf(length: number, first: number): string {
  switch (length) {
    case 3:
      return first === 71 ? 'GET' : 'PUT';
    case 4:
      return first === 80 ? 'POST' : 'HEAD';
    case 5:
      return first === 80 ? 'PATCH' : 'TRACE';
    case 6:
      return first === 68 ? 'DELETE' : '';
    case 7:
      return first === 79 ? 'OPTIONS' : 'CONNECT';
    default:
      return '';
  }
}
