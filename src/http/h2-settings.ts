// @hot
// SETTINGS as they come: one payload, checked (RFC 9113 section 6.5.2), into an object. Worker thread; no state of its own.

import {
  FLOW_CONTROL_ERROR, FRAME_BYTES, LARGEST_FRAME_BYTES, LARGEST_WINDOW, PROTOCOL_ERROR, readUint32, SETTING_BYTES, SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_ENABLE_PUSH, SETTING_HEADER_TABLE_SIZE, SETTING_INITIAL_WINDOW_SIZE, SETTING_MAX_CONCURRENT_STREAMS, SETTING_MAX_FRAME_SIZE,
  SETTING_MAX_HEADER_LIST_SIZE, FIRST_WINDOW, TABLE_BYTES,
} from './h2-frames.ts';

/** What the peer has told, or what holds until it does. */
export class PeerSettings {
  headerTableBytes: number = TABLE_BYTES;
  enablePush = true;
  maxConcurrentStreams = Infinity;
  initialWindow: number = FIRST_WINDOW;
  frameBytes: number = FRAME_BYTES;
  maxHeadBytes = Infinity;
  /** RFC 8441: `:protocol` may be sent. */
  connectProtocol = false;

  /**
   * Reads a payload whose length is a multiple of six.
   * @returns 0, or a connection error
   */
  read(buf: Buffer, start: number, end: number, fromServer: boolean): number {
    for (let at = start; at < end; at += SETTING_BYTES) {
      const fault = this.set((buf[at]! << 8) | buf[at + 1]!, readUint32(buf, at + 2), fromServer);
      if (fault !== 0) return fault;
    }
    return 0;
  }

  private set(id: number, value: number, fromServer: boolean): number {
    switch (id) {
      case SETTING_HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return 0;
      case SETTING_ENABLE_PUSH:
        // Section 6.5.2: a server must not set it to 1.
        if (value > (fromServer ? 0 : 1)) return PROTOCOL_ERROR;
        this.enablePush = value === 1;
        return 0;
      case SETTING_MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return 0;
      case SETTING_INITIAL_WINDOW_SIZE:
        if (value > LARGEST_WINDOW) return FLOW_CONTROL_ERROR;
        this.initialWindow = value;
        return 0;
      case SETTING_MAX_FRAME_SIZE:
        if (value < FRAME_BYTES || value > LARGEST_FRAME_BYTES) return PROTOCOL_ERROR;
        this.frameBytes = value;
        return 0;
      case SETTING_MAX_HEADER_LIST_SIZE:
        this.maxHeadBytes = value;
        return 0;
      case SETTING_ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 section 3: neither another value, nor a change of mind.
        if (value > 1 || (this.connectProtocol && value === 0)) return PROTOCOL_ERROR;
        this.connectProtocol = value === 1;
        return 0;
      default:
        return 0;
    }
  }
}
