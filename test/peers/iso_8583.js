'use strict';
// Packs and unpacks messages with the package iso_8583: one JSON value in on
// standard input, one out. [{"pack": {"0": "0100", …}}, {"unpack": "30313030…"}]
// gives [{"hex": "…"}, {"fields": {…}}], or {"error": …} in place of either.
const Iso8583 = require('iso_8583');

// What its table says otherwise than the standard, or than our profile.
const formats = {
  40: { ContentType: 'an', Label: 'Service restriction code', LenType: 'fixed', MaxLen: 3 },
  54: { ContentType: 'ans', Label: 'Additional amounts', LenType: 'lllvar', MaxLen: 120 },
  55: { ContentType: 'ans', Label: 'ICC data, as hex', LenType: 'lllvar', MaxLen: 510 },
  97: { ContentType: 'ans', Label: 'Amount, net settlement', LenType: 'fixed', MaxLen: 17 },
};

function answer(question) {
  if (question.pack) {
    const raw = new Iso8583(question.pack, formats).getRawMessage();
    return raw.error ? { error: raw.error } : { hex: raw.toString('hex') };
  }
  const fields = new Iso8583(null, formats).getIsoJSON(Buffer.from(question.unpack, 'hex'), { lenHeader: false });
  return fields.error ? { error: fields.error } : { fields };
}

let text = '';
process.stdin.on('data', (chunk) => { text += chunk; });
process.stdin.on('end', () => {
  process.stdout.write(JSON.stringify(JSON.parse(text).map(answer)));
});
