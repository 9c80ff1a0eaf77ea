import{dirname as e,join as t}from"node:path";import{closeSync as n,existsSync as r,fsyncSync as i,openSync as a,readSync as o,renameSync as s,rmSync as c,statSync as l}from"node:fs";import{DatabaseSync as u}from"node:sqlite";var d=class extends Error{name=`DataFileError`;code;path;constructor(e,t,n,r){super(n,r),this.code=e,this.path=t}},f=5,p=11,m=13,h=26;function g(e){let t=e?.errcode;return typeof t==`number`?t&255:void 0}function _(e){return g(e)===f}function v(e){let t=g(e);return t===p||t===h}function y(e){return g(e)===m}var b=1297236805,x=`
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last commit: tells whether one whose outcome was lost is there.
CREATE TABLE progress (commits INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (0);

CREATE TABLE topics (
  id INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  name TEXT NOT NULL,
  sealed INTEGER NOT NULL DEFAULT 0,
  trimmed_offset INTEGER NOT NULL DEFAULT 0,
  trimmed_seq INTEGER NOT NULL DEFAULT 0,
  trimmed_total INTEGER NOT NULL DEFAULT 0,
  trimmed_timestamp INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  total INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  id TEXT NOT NULL,
  event TEXT NOT NULL,
  data TEXT NOT NULL,
  source TEXT,
  key TEXT
) STRICT;
CREATE UNIQUE INDEX events_by_topic ON events (topic, offset);

CREATE TABLE keys (
  seq INTEGER PRIMARY KEY,
  topic INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  id TEXT NOT NULL,
  key TEXT NOT NULL
) STRICT;

CREATE TABLE fences (
  topic INTEGER NOT NULL,
  name TEXT NOT NULL,
  token INTEGER NOT NULL,
  PRIMARY KEY (topic, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
  removal INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  topic TEXT NOT NULL,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX tombstones_by_entity ON tombstones (entity, seq);

CREATE TABLE watermarks (
  entity TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE consumers (
  entity TEXT NOT NULL,
  topic TEXT NOT NULL,
  name TEXT NOT NULL,
  acked INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (entity, topic, name)
) STRICT, WITHOUT ROWID;
`,S=[...x.matchAll(/CREATE TABLE (\w+)/g)].map(([,e=``])=>e),C=[x];function w(e){return E(e,`user_version`)}function T(e){let t=w(e);if(t!==1){e.exec(`BEGIN IMMEDIATE`);for(let n of C.slice(t))e.exec(n);e.exec(`PRAGMA application_id = ${b}; PRAGMA user_version = 1; COMMIT`)}}function E(e,t){let n=e.prepare(`PRAGMA ${t}`).get();return Number(Object.values(n??{})[0])}function D(e){return t(e,`millrace.db`)}function O(e,t){if(r(e))R(e),A(e,j,t=>{z(e,t),T(t)});else{if(r(`${e}-wal`))throw V(e,`it is missing, although its write-ahead log is there`);N(e,t)}}function k(e,t){return A(e,M,t)}function A(e,t,n){let r;try{return r=t(e),n(r)}catch(t){throw t instanceof d?t:v(t)?V(e,t.message,t):new d(`unavailable`,e,`Cannot open ${e}: ${t.message}.`,{cause:t})}finally{r?.close()}}function j(e,t=`full`){let n=new u(e,{timeout:5e3});return n.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${t}`),n}function M(e){return new u(e,{readOnly:!0,timeout:5e3})}function N(t,n){let r=`${t}.new`;for(let e of[``,`-wal`,`-shm`])c(r+e,{force:!0});try{let i=j(r);try{T(i);let e=i.prepare(`INSERT INTO meta (name, value) VALUES (?, ?)`);for(let[t,r]of Object.entries(n))e.run(t,r);i.exec(`PRAGMA wal_checkpoint(TRUNCATE)`)}finally{i.close()}s(r,t),P(e(t))}catch(e){throw new d(`unavailable`,t,`Cannot create ${t}: ${e.message}.`,{cause:e})}}function P(e){if(process.platform===`win32`)return;let t=a(e,`r`);try{i(t)}finally{n(t)}}var F=100,I=`SQLite format 3\0`,L=68;function R(e){let t=Buffer.alloc(F),r=a(e,`r`);try{if(o(r,t,0,F,0)<F)throw V(e,`it ends after ${l(e).size} bytes`)}finally{n(r)}if(t.toString(`latin1`,0,16)!==I)throw V(e,`it is not a SQLite database`);if(t.readUInt32BE(L)!==1297236805)throw V(e,`it is the database of another program`)}function z(e,t){let n=w(t);if(n>1)throw new d(`newer`,e,`${e} was written by a newer version of Millrace (its layout is ${n}, this version knows 1). Start that version, or point this one at another data folder.`);let r=t.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all(),i=S.find(e=>!r.some(t=>t.name===e));if(i!==void 0)throw V(e,`its table ${i} is gone`);if(!B(t))return;let a=E(t,`page_count`),o=E(t,`page_size`),{size:s}=l(e);if(s<a*o)throw V(e,`it ends after ${s} of ${a*o} bytes`)}function B(e){try{return e.exec(`PRAGMA wal_checkpoint(TRUNCATE)`),!0}catch(e){if(y(e))return!1;throw e}}function V(e,t,n){return new d(`damaged`,e,`The data file ${e} is damaged: ${t}. It was left as it is. Restore it from a backup, or move it and its -wal file away to start with an empty log.`,{cause:n})}export{k as a,_ as c,O as i,y as l,j as n,E as o,M as r,d as s,D as t};