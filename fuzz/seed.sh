#!/usr/bin/env bash
# Puts the fixtures into the corpora; what the fuzzer found before stays there.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/sorter corpus/pack_reader
for file in $(cd ../fixtures/messages && find . -name '*.json'); do
  cp "../fixtures/messages/$file" "corpus/sorter/$(echo "${file#./}" | tr / -)"
done
cp ../fixtures/packs/v1/*.pack corpus/pack_reader/

# The content of a pack without compression, which the fuzzer cannot undo: header length, header, bodies.
content() {
  local length=${#2}
  { printf "\\x$(printf %02x $((length % 256)))\\x$(printf %02x $((length / 256)))\\x00\\x00"
    printf '%s%s' "$2" "$3"; } > "corpus/pack_reader/$1"
}
content empty '{"requests":[]}' ''
content fresh '{"requests":[{"pod":"us1","kind":"events","id":"r-1","account":1001,"received_at_ms":1763900000000,"bytes":2}]}' '{}'
content retry '{"requests":[{"pod":"us1","account":0,"received_at_ms":0,"bytes":1,"items":[{"a":"e0","n":3,"t":5},{"a":"p"},{"a":"m2.1","r":7},{"a":"i2.1"},{"a":"b4"},{"a":"w"}]}]}' 'x'
content dead '{"requests":[{"pod":"eu1","received_at_ms":-1,"trace":"00","bytes":0,"set_aside":{"c":"unreadable","m":"why","t":1}}]}' ''
content spilled '{"requests":[{"pod":"us1","received_at_ms":0,"bytes":3000000,"spilled":"us1/1763900000000-00112233445566778899aabbccddeeff"}]}' ''
