'use strict';
// Drives a reader's local endpoint with TerminalLocalAPI of @adyen/api-library.
// Standard input: {"endpoint", "authority", "poi", "key": {…}, "requests": [{service, category, class, body}]}.
// Standard output: one answer each: the decrypted response, null for an empty
// one, or {"error"}. With "wait": false the next request is sent while that one
// is under way, as its status says; its answer then follows the next one's.
const { Client, Config, EnvironmentEnum, TerminalLocalAPI } = require('@adyen/api-library');

// underWay asks for the status of a payment until the reader is at it.
async function underWay(send, request) {
  for (let n = 0; ; n++) {
    const answer = await send({
      service: `U${n}`, class: 'Service', category: 'TransactionStatus',
      body: { MessageReference: { MessageCategory: request.category, SaleID: 'peer', ServiceID: request.service } },
    });
    if (answer.SaleToPOIResponse.TransactionStatusResponse.Response.ErrorCondition !== 'NotFound') return;
  }
}

async function main(asked) {
  const config = new Config({
    environment: EnvironmentEnum.TEST, apiKey: 'none', certificatePath: asked.authority,
    terminalApiLocalEndpoint: asked.endpoint, connectionTimeoutMillis: 60000,
  });
  const api = new TerminalLocalAPI(new Client(config));
  const key = { AdyenCryptoVersion: 1, ...asked.key };
  const send = async (request) => {
    const message = {
      SaleToPOIRequest: {
        MessageHeader: {
          ProtocolVersion: '3.0', MessageClass: request.class, MessageCategory: request.category, MessageType: 'Request',
          ServiceID: request.service, SaleID: 'peer', POIID: asked.poi,
        },
        [`${request.category}Request`]: request.body,
      },
    };
    try {
      const answer = await api.request(message, request.key ? { ...key, ...request.key } : key);
      return answer.SaleToPOIResponse ? answer : null;
    } catch (e) {
      return { error: `${e.constructor.name}: ${e.message}`, status: e.statusCode };
    }
  };
  const out = [];
  let running;
  for (const request of asked.requests) {
    const answer = send(request);
    if (request.wait === false) {
      running = answer;
      await underWay(send, request);
      continue;
    }
    out.push(await answer);
    if (running) {
      out.push(await running);
      running = undefined;
    }
  }
  return out;
}

let text = '';
process.stdin.on('data', (chunk) => { text += chunk; });
process.stdin.on('end', () => {
  main(JSON.parse(text)).then((out) => process.stdout.write(JSON.stringify(out)));
});
