//! Bytes that the decoders accept.

use protocol::{
    ArchiveId, ChunkId, JobId, NodeId, OrderId, SealedId, Time,
    archive::ArchiveMeta,
    cbor,
    contents::{ContentsWriter, Entry},
    control::{
        ArchiveContents, ArchiveRef, ArchiveRestore, AskFrame, EndFrame, Event, Failure,
        FailureCode, Page, Progress, RawPath, Reply, Request, TellFrame,
    },
    entropy::SeededEntropy,
    fetch::wire::{ErrorCode, Frame as BulkFrame, Purpose, object_head},
    job::{CustomDir, JobConfig, JobSpec, Name},
    manifest::ManifestWriter,
    membership::JoinRequest,
    object::{ChunkRef, Link},
    record::{
        ArchiveFacts, Entry as Place, Expulsion, Fact, Head, Hold, Invitation, NodeFacts, Order,
        Outcome, Place as Where, Progress as Step, Record, RecordKey, Role, SignedRecord, Version,
    },
    seal::{Opener, SealChoice, SealedObject, Sealer, open_meta},
    sync::{Frame, Range, pack_entries},
    tar::{END, Extent, FileTime, Member, MemberKind, SparseMap, encode},
};
use serde_bytes::ByteBuf;

use super::{archive_key, control_seeds, live::the_ticket, node_secret};

fn sealer(choice: SealChoice) -> Sealer {
    Sealer::new(&archive_key(), choice, 3)
}

fn entry(path: &str) -> Entry {
    let kind = MemberKind::File;
    let (path, link, mtime) = (path.into(), Vec::new(), FileTime { seconds: 9, nanos: 8 });
    Entry {
        path,
        kind,
        link,
        mode: 0o644,
        uid: 1,
        gid: 2,
        real_bytes: 5,
        mtime,
        offset: 0,
        span: 1024,
    }
}

/// A page, a page of contents and the root of a small archive, with its chunk.
fn archive() -> Vec<SealedObject> {
    let mut sealer = sealer(SealChoice::None);
    let plain = b"words and words and words and words ".repeat(40);
    let chunk = sealer.chunk_id(&plain);
    let leaf = sealer.seal_leaf(&chunk, &plain).expect("it seals");
    let mut contents = ContentsWriter::new();
    contents.push(entry("etc/a"), &mut sealer).expect("it fits");
    contents.push(Entry { offset: 1024, ..entry("etc/b") }, &mut sealer).expect("it fits");
    let (contents_objects, pages) = contents.finish(&mut sealer).expect("it seals");
    let mut manifest = ManifestWriter::new();
    let plain_bytes = u32::try_from(plain.len()).expect("small");
    let link = leaf.link();
    let chunk = ChunkRef { chunk, sealed: link.id, plain_bytes, sealed_bytes: link.bytes };
    manifest.push(&chunk, &[], &mut sealer).expect("it fits");
    manifest.push(&chunk, &[], &mut sealer).expect("it fits");
    let (objects, _) = manifest.finish(pages, &mut sealer).expect("it seals");
    [leaf].into_iter().chain(contents_objects).chain(objects).collect()
}

/// The links and the private bytes of a branch, as the entries want them.
fn opened(sealed: &SealedObject) -> Option<Vec<u8>> {
    let (links, private) =
        Opener::new(&archive_key()).open_branch(&sealed.chunk, &sealed.bytes).ok()?;
    let mut out = u16::try_from(links.len()).ok()?.to_le_bytes().to_vec();
    for link in links {
        out.push(link.id.0[0]);
        out.extend(link.bytes.to_le_bytes());
    }
    out.extend(private);
    Some(out)
}

pub(super) fn object() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = archive().into_iter().map(|object| object.bytes).collect();
    for choice in [SealChoice::Aes256Gcm, SealChoice::ChaCha20Poly1305] {
        let mut sealer = sealer(choice);
        let id = sealer.chunk_id(b"plain");
        seeds.push(sealer.seal_leaf(&id, b"plain").expect("it seals").bytes);
        let link = Link { id: SealedId([8; 32]), bytes: 30 };
        seeds.push(sealer.seal_branch(&[link, link], b"private").expect("it seals").bytes);
    }
    seeds
}

/// The payloads of objects in the clear: after a header of 4 (or 8) bytes and a salt of 16.
pub(super) fn zipped() -> Vec<Vec<u8>> {
    let objects = archive();
    let frames = objects.iter().flat_map(|object| [object.bytes.get(20..), object.bytes.get(24..)]);
    frames.flatten().map(<[u8]>::to_vec).collect()
}

pub(super) fn manifest_root() -> Vec<Vec<u8>> {
    archive().last().and_then(opened).into_iter().collect()
}

pub(super) fn manifest_page() -> Vec<Vec<u8>> {
    archive().iter().rev().nth(1).and_then(opened).into_iter().collect()
}

pub(super) fn contents_page() -> Vec<Vec<u8>> {
    let page = archive().get(1).and_then(opened).unwrap_or_default();
    // The links of a page of contents are none: their count gives way to the offset.
    vec![[&[0; 8][..], page.get(2..).unwrap_or_default()].concat()]
}

pub(super) fn archive_meta() -> Vec<Vec<u8>> {
    let meta = ArchiveMeta {
        name: "jerry_docs_20260508".to_owned(),
        job: JobId([3; 16]),
        job_name: "docs".to_owned(),
        kind: "custom_dir".to_owned(),
        source: b"/srv/d\xff".to_vec(),
        root: ChunkId([4; 32]),
        stream_bytes: 10_240,
        members: 7,
        sha256: Some([9; 32]),
        warnings: 1,
        in_clear: false,
        pinned: true,
        safety: true,
    };
    let sealed = meta.seal(&archive_key(), &mut SeededEntropy::new(1));
    open_meta(&archive_key(), &sealed).into_iter().collect()
}

fn members() -> Vec<Vec<u8>> {
    let plain = Member { data_bytes: 3, ..Member::new(MemberKind::File, "etc/hosts") };
    let link =
        Member { link: vec![b'l'; 200], ..Member::new(MemberKind::Symlink, vec![b'n'; 300]) };
    let mut rich =
        Member { data_bytes: 0, ..Member::new(MemberKind::Directory, b"caf\xff".to_vec()) };
    rich.mtime = FileTime { seconds: -3, nanos: 5 };
    rich.xattrs = vec![(b"user.a".to_vec(), b"\0b\n=".to_vec())];
    let extents = vec![Extent { offset: 4096, bytes: 3 }, Extent { offset: 9000, bytes: 0 }];
    let sparse = Some(SparseMap { real_bytes: 9000, extents });
    let holes = Member { data_bytes: 3, sparse, ..Member::new(MemberKind::File, "holes") };
    let data = |member: &Member| {
        let mut out = encode(member);
        if member.data_bytes > 0 {
            out.extend(b"abc");
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out
    };
    [plain, link, rich, holes].iter().map(data).collect()
}

pub(super) fn tar_stream() -> Vec<Vec<u8>> {
    let members = members();
    let all = members.concat();
    let mut seeds: Vec<_> = members.iter().map(|m| [&[100][..], m, &END].concat()).collect();
    seeds.push([&[6][..], &all, &END].concat());
    seeds
}

pub(super) fn tar_block() -> Vec<Vec<u8>> {
    let mut seeds = members();
    for body in [
        "20 path=some/where\n30 mtime=1700000000.123456789\n",
        "22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n29 GNU.sparse.realsize=99999\n\
         27 GNU.sparse.map=0,3,9,509\n",
        "24 GNU.sparse.offset=10\n26 GNU.sparse.numbytes=4\n",
        "30 SCHILY.acl.access=user::rw-\n22 hdrcharset=BINARY\n20 uid=4294967296\n",
    ] {
        seeds.push(body.into());
    }
    seeds
}

fn invitation() -> Invitation {
    let (role, time) = (Role::Operator, Time(9));
    let exchange = node_secret().exchange_public();
    Invitation { role, quota_bytes: None, name: "jerry".to_owned(), exchange, time }
}

fn signed(fact: &Fact) -> SignedRecord {
    let (version, previous) = (Version { epoch: 5, seq: 2 }, Version { epoch: 5, seq: 1 });
    let (key, body) = (fact.key().to_string(), Some(fact.body()));
    let (mesh, author) = (the_ticket().mesh, node_secret().id());
    let record = Record { mesh, author, version, previous, key, time: Time(9), body };
    record.sign(&node_secret()).expect("it is admissible")
}

fn facts() -> Vec<Fact> {
    let (node, archive, order) = (node_secret().id(), ArchiveId([2; 16]), OrderId([4; 16]));
    let root = Link { id: SealedId([6; 32]), bytes: 99 };
    let facts = ArchiveFacts {
        created: Time(1),
        root,
        sealed_bytes: 100,
        objects: 3,
        copies: 2,
        place: Where::Named(vec![node]),
        sealed: vec![1; 40],
    };
    let made = Fact::Archive(archive, facts);
    let record = signed(&made).bytes().to_vec();
    let hold = Hold { root, bytes: 100, since: Time(2), locked_until: Time(3), record };
    let last = Version { epoch: 5, seq: 9 };
    let wrapped = archive_key().wrap(&node_secret().exchange_public(), &mut SeededEntropy::new(1));
    vec![
        Fact::Node(NodeFacts {
            name: "jerry".to_owned(),
            addresses: the_ticket().addresses,
            program: "0.1.0".to_owned(),
            free_bytes: 9,
            exchange: node_secret().exchange_public(),
            time: Time(1),
        }),
        Fact::Member(node, invitation()),
        Fact::Expel(node, Expulsion { last, kept: vec![(node, invitation())], time: Time(1) }),
        Fact::Wrap(node, wrapped),
        made,
        Fact::Hold(node, archive, hold),
        Fact::Order(order, Order { to: node, request: vec![1; 9], deadline: Time(7) }),
        Fact::Result(
            node,
            order,
            Outcome { progress: Step::Done { reply: vec![1] }, time: Time(8) },
        ),
    ]
}

/// Payloads: what follows author and signature.
pub(super) fn record() -> Vec<Vec<u8>> {
    let payload = |fact: &Fact| signed(fact).bytes().get(96..).map(<[u8]>::to_vec);
    facts().iter().filter_map(payload).collect()
}

pub(super) fn record_body() -> Vec<Vec<u8>> {
    let key = |key: RecordKey| key.to_string().into_bytes();
    let mut seeds: Vec<_> = facts().iter().map(Fact::body).collect();
    seeds.push(key(RecordKey::Hold(NodeId([2; 32]), ArchiveId([3; 16]))));
    seeds
}

pub(super) fn ticket() -> Vec<Vec<u8>> {
    let ticket = the_ticket();
    let wire = (
        (1_u8, ticket.mesh, ticket.founder, ticket.inviter, &ticket.addresses),
        (ByteBuf::from(ticket.secret.0), ticket.role, ticket.quota_bytes, ticket.expires),
    );
    // Two short arrays, their heads replaced by that of one with nine elements.
    let (front, back) = (cbor::encode(&wire.0), cbor::encode(&wire.1));
    let whole = [&[0x89][..], &front[1..], &back[1..]].concat();
    vec![ticket.to_string().into_bytes(), whole]
}

pub(super) fn join_request() -> Vec<Vec<u8>> {
    let request = JoinRequest::new(&the_ticket(), &node_secret(), "jerry");
    vec![request.sign(&node_secret()), cbor::encode(&request)]
}

pub(super) fn join_answer() -> Vec<Vec<u8>> {
    use protocol::membership::{JoinAnswer, JoinRefusal};
    let proof = signed(&Fact::Member(node_secret().id(), invitation())).bytes().to_vec();
    let records = vec![ByteBuf::from(proof.clone())];
    let refused = JoinAnswer::refused(JoinRefusal::Used);
    vec![cbor::encode(&JoinAnswer::Accepted { records }), cbor::encode(&refused), proof]
}

pub(super) fn sync_frame() -> Vec<Vec<u8>> {
    let author = node_secret().id();
    let (from, to) = (Version { epoch: 1, seq: 1 }, Version { epoch: 1, seq: 2 });
    let entries = pack_entries([from, to].map(|version| Place { version, prefix: [3; 8] }));
    let head = Head { newest: to, count: 2, digest: [4; 32] };
    let ranges = vec![Range { from, to, count: 2, digest: [5; 32] }];
    let records = facts().into_iter().map(|fact| ByteBuf::from(signed(&fact).bytes().to_vec()));
    let frames = [
        Frame::Summary { heads: vec![(author, head)], answer: true },
        Frame::Ranges { author, ranges },
        Frame::List { author, from, to, entries: entries.clone() },
        Frame::Want { author, entries: entries.clone() },
        Frame::Records { author, records: records.collect(), more: false },
    ];
    frames.iter().map(Frame::encode).chain([entries.into_vec()]).collect()
}

pub(super) fn bulk_frame() -> Vec<Vec<u8>> {
    let link = Link { id: SealedId([1; 32]), bytes: 40 };
    let frames = [
        BulkFrame::Hello { version: 1, purpose: Purpose::Fetch },
        BulkFrame::Welcome { version: 1 },
        BulkFrame::Want(vec![link, link]),
        BulkFrame::Absent(link.id),
        BulkFrame::Error { code: ErrorCode::from_number(2), text: "it is broken".to_owned() },
        BulkFrame::Bye,
        BulkFrame::Alive,
    ];
    let object = [&object_head(link)[..], &[7; 40]].concat();
    frames.iter().map(BulkFrame::encode).chain([object]).collect()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn ask_frame() -> Vec<Vec<u8>> {
    let archive = ArchiveRef { name: name("docs_20260508"), node_of: None };
    let patterns = vec!["*.md".to_owned()];
    let config = JobConfig::CustomDir(CustomDir::new("/srv/docs"));
    let restore = ArchiveRestore {
        patterns: patterns.clone(),
        to: Some(RawPath(b"/tmp/\xff".to_vec())),
        ..ArchiveRestore::all(archive.clone())
    };
    let requests = [
        Request::Status,
        Request::JobAdd(JobSpec::new(name("docs"), config)),
        Request::ArchiveContents(ArchiveContents {
            archive,
            patterns,
            dir: None,
            search: None,
            page: Page::FIRST,
        }),
        Request::ArchiveRestore(restore),
        Request::StoreGc { dry_run: true },
    ];
    let asked = requests.map(|request| cbor::encode(&AskFrame::Request(Box::new(request))));
    asked
        .into_iter()
        .chain([cbor::encode(&AskFrame::Cancel)])
        .chain(control_seeds::asked())
        .collect()
}

pub(super) fn tell_frame() -> Vec<Vec<u8>> {
    let failure = Failure::new(FailureCode::Conflict, "cannot edit", "it changed");
    let frames = [
        TellFrame::Event(Event::Progress(Progress::default())),
        TellFrame::Event(Event::Warning { what: "a".to_owned(), why: "b".to_owned() }),
        TellFrame::End(EndFrame::Reply(Box::new(Reply::Done))),
        TellFrame::End(EndFrame::Failure(failure)),
    ];
    let path = b"a\\xff\\\\b".to_vec();
    frames.iter().map(cbor::encode).chain([path]).chain(control_seeds::told()).collect()
}
