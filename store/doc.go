/*
Package store keeps content-addressed blocks on one machine.

It knows a block either by reference, as a range of bytes in a file of the
user's, or as a copy of its own in a pack file. Blocks are found by multihash,
so that all versions and codecs of a CID meet; a block can have any number of
locations, and a location that fails is passed over for the next. Of a shared
file the store so keeps some fifty bytes per block and no second copy. Before
bytes of a referenced file are given out, the file's size, time of modification
and inode must be those that were registered with it.

Start reading at [Open] and [Store]; [Store.Begin] is how an import adds things,
[Store.ReadAt] how a server reads, [Store.GC] how things go. Inside, log.go and
record.go are the truth on disk, apply.go is what it means, tables.go the index
over it, recover.go how the one is brought up to the other.

# What is promised

Everything before a [Store.Sync] that returned nil survives kill -9 and power
loss. Of what came after it, a prefix survives: never a root without the blocks
that were added before it. Damage is found by checksum, reported, and passed
over; it costs what was damaged and nothing else. The index can be deleted at
any time while the store is closed.

# Layout

	lock           taken by the process that has the store open (flock, LockFileEx)
	lock.owner     who that is, for people
	reserve        room that is given up when the disk is full
	packs/N.pack   the log, N from 00000001 (8 digits, decimal)
	index.N/       the index (Pebble), of which the highest N counts
	index-damaged/ the last index that was replaced, for inspection

The packs, in the order of their numbers, are one append-only log of records.
Everything the store knows is in it, references, roots and pins included: the
index is made from the log, and from the log alone. Only the last pack is
written to. A pack is synced before the next one is begun, so that only the last
can end in an unfinished record.

# Pack files, version 1

Numbers are little-endian. CRC is CRC-32C. A pack begins with 64 bytes:

	 0  6  "rspack"
	 6  2  version, 1
	 8  8  marker: random, not zero
	16  8  number of the pack
	24  8  time of creation, nanoseconds since 1970, for people
	32 28  zero
	60  4  CRC of bytes 0..59

Records follow without gaps:

	 0  8  marker of the pack
	 8  1  type
	 9  1  length of the key
	10  2  zero
	12  4  length of the payload, at most 4 MiB
	16  4  CRC of the payload
	20  8  place of the record: pack number << 32 | offset in the pack
	28  4  CRC of bytes 0..27 and the key
	32     key, then payload

Types, with their payloads as protocol buffers (a place is as above; unknown
fields are to be skipped):

	1 block  key: multihash; payload: the block. No other type has a key.
	2 file   {uint64 id = 1; bytes path = 2; uint64 size = 3; sint64 mtime_ns = 4;
	          uint64 inode = 5; uint64 device = 6; uint32 born = 7}
	3 refs   {uint64 file = 1; repeated Ref refs = 2}
	         Ref {bytes multihash = 1; uint64 offset = 2; uint32 length = 3}
	4 root   {bytes cid = 1; bytes name = 2; bytes path = 3; uint64 size = 4;
	          uint64 chunks = 5; sint64 added_ns = 6; uint32 born = 7; bytes note = 8}
	5 pin    like root, with cid, name, added_ns and born
	6 drop   {repeated Drop drops = 1}
	         Drop {bytes key = 1; uint32 from = 2; uint32 to = 3; uint64 at = 4}
	7 mark   {uint64 durable = 1}
	8 pack   {uint32 pack = 1; uint32 state = 2}  1: emptying 2: kept 3: retired

A later record of the same thing replaces an earlier one. A file's id is never
used for another file; born is the pack of the first record of a file, root or
pin, and stays the same when the record is copied.

A drop takes away the thing with the given key, unless its record stands at
place at or later (0: at the place of the drop itself). Keys are 'b' + multihash +
file id (8 bytes, big-endian, 0 for an owned block), 'f' + file id, 'r' + CID
and 'p' + CID. With a file all references into it are gone. From..to are the
packs in which records of the thing can be: when none of them is left, the drop
has nothing more to say and is not copied.

A mark says that everything before the place durable had been synced. It tells
damage from an unfinished end: in the last pack, what is unreadable before a
durable place is damage and is skipped; the first unreadable byte after the last
durable place is where the log ends, and the rest is cut off.

To remove a pack, "emptying" is recorded, what is live in it is appended to the
log, the log is synced, "retired" is recorded and synced, and the file deleted.
An interrupted removal is completed before anything else is dropped.

# Why it is so

The marker and the place make resynchronisation safe. A reader that has lost its
way in a damaged pack looks for the next record, and blocks are made by
strangers: one may be full of records that make a root of something, or refer to
a private file. A stranger does not know the marker, and a block that holds a
piece of a pack (someone shares the folder of a store) holds it at the wrong
place.

The log being the truth makes the index disposable. It has no log of its own, it
takes entries only once their records are durable, and it remembers how far it
has come: a crash costs it a replay of the log's end. See
docs/decisions/0001-index.md.

Size, time and inode do not prove that a file is unchanged: a program can write
and then set the time back, and within one tick of the file system's clock a
change leaves no trace. What such a file would make the store serve is wrong
bytes, which every receiver finds by their hash, and [Store.Get] and
[Store.Verify] do too.
*/
package store
