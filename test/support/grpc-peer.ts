// Both ends of the gRPC interop cases, played by @grpc/grpc-js: the TestService with messages of our own coding, its server,
// and a caller. Test code only. No protoc: a message is the length of its fields as JSON, the fields, and a payload.

import type { EventEmitter } from 'node:events';

import * as grpc from '@grpc/grpc-js';

import { within } from './deadline.ts';

export interface Message {
  /** How large the payload of the answer shall be; a stream of answers has several. */
  readonly sizes?: readonly number[];
  /** The status that the call shall end with. */
  readonly status?: { readonly code: number; readonly message: string };
  readonly total?: number;
  readonly payload?: Buffer;
}

function encode({ payload = Buffer.alloc(0), ...fields }: Message): Buffer {
  if (Object.keys(fields).length === 0 && payload.length === 0) return payload; // as protobuf has it, the empty message has no bytes
  const text = Buffer.from(JSON.stringify(fields));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, payload]);
}

function decode(bytes: Buffer): Message {
  if (bytes.length === 0) return {};
  const end = 4 + bytes.readUInt32BE();
  return { ...(JSON.parse(bytes.toString('utf8', 4, end)) as Message), payload: bytes.subarray(end) };
}

/** A payload that is like no other of its size, so that bytes of two calls cannot be taken for each other. */
export function payload(size: number, seed = size): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (seed * 31 + i * 7 + (i >> 8)) & 255;
  return bytes;
}

function method(name: string, requestStream: boolean, responseStream: boolean, service = 'grpc.testing.TestService'): grpc.MethodDefinition<Message, Message> {
  return {
    path: `/${service}/${name}`, requestStream, responseStream,
    requestSerialize: encode, requestDeserialize: decode, responseSerialize: encode, responseDeserialize: decode,
  };
}

export const METHODS = {
  EmptyCall: method('EmptyCall', false, false),
  UnaryCall: method('UnaryCall', false, false),
  StreamingInputCall: method('StreamingInputCall', true, false),
  StreamingOutputCall: method('StreamingOutputCall', false, true),
  FullDuplexCall: method('FullDuplexCall', true, true),
} as const;
export const UNKNOWN_METHOD: grpc.MethodDefinition<Message, Message> = method('UnimplementedCall', false, false);
export const UNKNOWN_SERVICE: grpc.MethodDefinition<Message, Message> = method('UnimplementedCall', false, false, 'grpc.testing.UnimplementedService');

export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';

function echoMetadata(call: { readonly metadata: grpc.Metadata; sendMetadata(metadata: grpc.Metadata): void }): grpc.Metadata {
  const initial = new grpc.Metadata();
  for (const value of call.metadata.get(ECHO_INITIAL)) initial.add(ECHO_INITIAL, value);
  if (initial.get(ECHO_INITIAL).length > 0) call.sendMetadata(initial);
  const trailing = new grpc.Metadata();
  for (const value of call.metadata.get(ECHO_TRAILING)) trailing.add(ECHO_TRAILING, value);
  return trailing;
}

/** The server, and what it has seen. */
export class GrpcServer {
  private readonly calls = new Set<object>();
  /** What each call brought along. */
  readonly seen: grpc.Metadata[] = [];
  readonly server: grpc.Server;
  port = 0;

  private constructor(options: grpc.ServerOptions) {
    this.server = new grpc.Server({ 'grpc.max_receive_message_length': -1, ...options });
    this.server.addService(METHODS, {
      EmptyCall: (call: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>) => {
        this.seen.push(call.metadata);
        done(null, {});
      },
      UnaryCall: (call: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>) => this.unary(call, done),
      StreamingInputCall: (call: grpc.ServerReadableStream<Message, Message>, done: grpc.sendUnaryData<Message>) => this.input(call, done),
      StreamingOutputCall: (call: grpc.ServerWritableStream<Message, Message>) => void this.output(call),
      FullDuplexCall: (call: grpc.ServerDuplexStream<Message, Message>) => this.duplex(call),
    } as unknown as grpc.UntypedServiceImplementation);
  }

  static async start(credentials: grpc.ServerCredentials = grpc.ServerCredentials.createInsecure(), options: grpc.ServerOptions = {}): Promise<GrpcServer> {
    const made = new GrpcServer(options);
    made.port = await new Promise<number>((resolve, reject) => {
      made.server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    return made;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Streaming calls that are open now. */
  get open(): number {
    return this.calls.size;
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private watch(call: EventEmitter & { readonly metadata: grpc.Metadata }): void {
    this.calls.add(call);
    this.seen.push(call.metadata);
    call.on('cancelled', () => this.calls.delete(call));
  }

  private unary(call: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>): void {
    this.seen.push(call.metadata);
    const trailing = echoMetadata(call);
    const { sizes = [], status, payload: got = Buffer.alloc(0) } = call.request;
    if (status !== undefined) done({ code: status.code, details: status.message, metadata: trailing });
    else done(null, { total: got.length, payload: payload(sizes[0] ?? 0) }, trailing);
  }

  private input(call: grpc.ServerReadableStream<Message, Message>, done: grpc.sendUnaryData<Message>): void {
    this.watch(call);
    let total = 0;
    call.on('data', (message: Message) => (total += message.payload?.length ?? 0));
    call.on('end', () => {
      this.calls.delete(call);
      done(null, { total });
    });
  }

  private async output(call: grpc.ServerWritableStream<Message, Message>): Promise<void> {
    this.watch(call);
    for (const size of call.request.sizes ?? []) {
      if (call.cancelled) break;
      if (!call.write({ payload: payload(size) })) await new Promise((resolve) => { call.once('drain', resolve); call.once('cancelled', resolve); });
    }
    this.calls.delete(call);
    call.end();
  }

  /** One answer for each size asked for, at once. */
  private duplex(call: grpc.ServerDuplexStream<Message, Message>): void {
    this.watch(call);
    const trailing = echoMetadata(call);
    call.on('data', ({ sizes = [], status }: Message) => {
      for (const size of sizes) call.write({ payload: payload(size) });
      if (status !== undefined) call.emit('error', { code: status.code, details: status.message, metadata: trailing });
    });
    call.on('end', () => {
      this.calls.delete(call);
      call.end(trailing);
    });
  }
}

/** How a call ended, whatever its kind. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly messages: readonly Message[];
  readonly initial: grpc.Metadata | null;
  readonly trailing: grpc.Metadata;
}

/** A caller on a connection of its own. */
export class GrpcCaller {
  readonly client: grpc.Client;

  constructor(address: string, credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(), options: grpc.ClientOptions = {}) {
    this.client = new grpc.Client(address, credentials, {
      'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1, 'grpc.enable_retries': 0, ...options,
    });
  }

  close(): void {
    this.client.close();
  }

  /** A call with the messages of `up`, all at once. */
  call(method: grpc.MethodDefinition<Message, Message>, up: Message | readonly Message[] = {}, metadata = new grpc.Metadata(), options: grpc.CallOptions = {}): Promise<Outcome> {
    const live = this.open(method, metadata, options);
    for (const message of Array.isArray(up) ? (up as readonly Message[]) : [up as Message]) live.send(message);
    live.end();
    return live.outcome;
  }

  /** Every kind of call is made as a stream, on the wire they are the same. */
  open(method: grpc.MethodDefinition<Message, Message>, metadata = new grpc.Metadata(), options: grpc.CallOptions = {}): LiveCall {
    return new LiveCall(method.path, this.client.makeBidiStreamRequest(method.path, encode, decode, metadata, { deadline: Date.now() + 30_000, ...options }));
  }
}

export class LiveCall {
  readonly stream: grpc.ClientDuplexStream<Message, Message>;
  readonly outcome: Promise<Outcome>;
  readonly messages: Message[] = [];
  private readonly path: string;
  private taken = 0;
  private wake: () => void = () => undefined;
  private over = false;

  constructor(path: string, stream: grpc.ClientDuplexStream<Message, Message>) {
    this.path = path;
    this.stream = stream;
    let initial: grpc.Metadata | null = null;
    stream.on('metadata', (metadata) => (initial = metadata));
    stream.on('data', (message: Message) => {
      this.messages.push(message);
      this.wake();
    });
    stream.on('error', () => undefined); // the status says it
    this.outcome = within(`the end of ${path}`, new Promise((resolve) => {
      stream.on('status', ({ code, details, metadata }) => {
        this.over = true;
        this.wake();
        resolve({ code, details, messages: this.messages, initial, trailing: metadata });
      });
    }), 30_000);
  }

  send(message: Message): void {
    this.stream.write(message);
  }

  end(): void {
    this.stream.end();
  }

  /** The next message; null when the call is over instead. */
  async next(): Promise<Message | null> {
    await within(`a message of ${this.path}`, (async () => {
      while (this.taken >= this.messages.length && !this.over) await new Promise<void>((resolve) => (this.wake = resolve));
    })());
    return this.messages[this.taken++] ?? null;
  }
}
