import { FILES, FORMAT } from './format.ts';

/** Text of VERIFY.md, the same in every package. */
export const HOW_TO_VERIFY = `# How to verify this package

Nothing here needs the network, the operator, or the machine that wrote the package.

## With Postern

    postern verify PATH --key KEY

PATH is this folder or the zip it came in. KEY is the verifier key of the log as you hold it from an earlier package, a
witness or a letter. Without \`--key\` the key inside the package (\`${FILES.vkey}\`) is used: that shows that the package is
of one piece, not whose log it is. The exit code is 0 where everything holds and 3 where anything does not; each finding
names the file and the record.

## In a browser

Open \`${FILES.page}\` in a current browser and drop this folder, or the zip, on it. The page has the code of \`postern verify\` in it
and reaches no network. Paste the verifier key and the earlier checkpoint that you hold.

A page inside a package proves nothing about itself: who forges a package can forge the page with it. Take the page from a copy that
you trust, such as \`postern verify-page > verify.html\` of a Postern that you installed yourself, and drop every package on that one.

## By hand

1. **Manifest.** \`${FILES.signature}\` is a C2SP signed note. Its text is two lines: \`${FORMAT}\`, and \`${FILES.manifest} sha256 HEX\`.
   Check the signature with the verifier key, and HEX against \`sha256sum ${FILES.manifest}\`.
2. **Files.** \`${FILES.manifest}\` names every other file with its length and SHA-256. There is no file that it does not name.
3. **Log.** \`tlog/\` is a transparency log in the C2SP tlog-tiles layout with a C2SP tlog-checkpoint in \`${FILES.checkpoint}\`:
   leaf hash \`SHA-256(0x00 || entry)\`, node hash \`SHA-256(0x01 || left || right)\`. Recompute the root from the tiles and compare
   it with the checkpoint. Any tool for tlog-tiles can do it, such as golang.org/x/mod/sumdb/tlog, or tessera's fsck on this
   folder served over HTTP.
4. **Entries.** Where \`tlog/tile/entries/\` is there, all entries of the log are in it. Otherwise the package is about one
   principal: \`${FILES.leaves}\` has one entry per line (the line without its newline is what was hashed; \`leaf\` in it is its index),
   to be compared with the hash at that index in \`tlog/tile/0/\`.
5. **Completeness.** \`principalSeq\` numbers the records of each principal from 1 without gaps. In a package with all entries the
   last number is certain as well. In a package about one principal it is what the manifest states under its signature.
6. **Activity.** Each line of \`${FILES.commands}\` repeats the leaf of its intent or denial (\`leaf\`) and of its outcome
   (\`outcomeLeaf\`), adds owner, approvers and ticket from the change records before it, and the texts. A text fits its leaf where
   \`SHA-256(salt || text)\` (salt in hex) is the \`commitment\` in the leaf. \`absent: erased\` is a text that was destroyed on purpose,
   by a record that \`populations/erasures.ndjson\` names; \`withheld\` is one that this package does not show. A \`masked\` text has its literals
   replaced: nobody can compute a commitment from it, so it is the operator's statement, signed in the manifest.
7. **Populations.** Each line of \`populations/*.ndjson\` is the state after the last change record of that thing; \`leaf\` is the
   record that made it, \`lastLeaf\` the last that changed it.
8. **Proofs.** \`proofs/*.tlog-proof\` are C2SP tlog-proofs of single leaves. \`consistency/OLD-NEW\`, where there, shows that the log only
   grew since the checkpoint in \`consistency/OLD.checkpoint\`.

9. **Witnesses.** A witness is somebody else who has checked that the log only grew, and says so with a C2SP tlog-cosignature in
   \`${FILES.checkpoint}\`. \`${FILES.policy}\`, where there, names the operator's witnesses as a C2SP tlog-policy; give your own with
   \`--policy FILE\`.

## What this does not prove

A log that its operator keeps alone proves nothing against that operator about the time before its first checkpoint left
the house. Keep the checkpoint of every package you get: a later one must continue it (\`--checkpoint FILE\`).
`;
