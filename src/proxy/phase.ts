// Where a Journey stands (`journey.ts` and `attempts.ts` draw it). Worker thread; constants only.

export const FREE = 0;
/** Its head is here; filters may let it wait. */
export const ASKED = 1;
export const WAITING = 2;
export const SENT = 3;
/** Between two attempts. */
export const RESTING = 4;
export const ANSWERING = 5;
