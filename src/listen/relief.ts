// @hot
// Overload: whether a connection of a caller has to go after the answer under way. Worker thread; pure but for its counter.

import * as S from '../observe/stat-names.ts';
import { DISABLE_KEEP_ALIVE } from '../shared/overload.ts';
import type { HttpDoor } from './http-door.ts';

/** Asked once for each connection that would otherwise stay. */
export function losesKeepAlive({ tools, plan }: HttpDoor): boolean {
  if (!tools.overload.isFull(DISABLE_KEEP_ALIVE)) return false;
  tools.cells[plan.http + S.DOWN_CX_OVERLOAD_DISABLE_KEEPALIVE]!++;
  return true;
}
