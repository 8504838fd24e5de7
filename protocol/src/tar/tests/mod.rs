//! The writer and the parser against each other, and the parser against hostile bytes.

mod hostile;
mod round_trip;

use super::*;

/// A member with its data, as it came out of a parser.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    member: Member,
    offset: u64,
    data: Vec<u8>,
}

/// All members of a stream that arrives in pieces of `piece` bytes.
fn parse(stream: &[u8], piece: usize) -> Result<Vec<Seen>, TarError> {
    let mut parser = Parser::new(Limits::default());
    let mut seen: Vec<Seen> = Vec::new();
    let mut open = false;
    for bytes in stream.chunks(piece) {
        parser.push(bytes, &mut |event| {
            match event {
                Event::Member(member, offset) => {
                    assert!(!open, "a member begins after the end of the one before");
                    open = true;
                    seen.push(Seen { member, offset, data: Vec::new() });
                }
                Event::Data(bytes) => {
                    assert!(open && !bytes.is_empty());
                    seen.last_mut().unwrap().data.extend_from_slice(bytes);
                }
                Event::MemberEnd => open = false,
                Event::End => assert!(!open),
            }
            Ok::<(), TarError>(())
        })?;
    }
    parser.finish()?;
    Ok(seen)
}

/// A member with data in a stream, padded.
fn stream_of(members: &[(Member, Vec<u8>)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (member, data) in members {
        stream.extend_from_slice(&encode(member));
        stream.extend_from_slice(data);
        stream.resize(stream.len() + padding(data.len() as u64) as usize, 0);
    }
    stream.extend_from_slice(&END);
    stream
}

fn file(path: &str, data: &[u8]) -> (Member, Vec<u8>) {
    let mut member = Member::new(MemberKind::File, path);
    member.data_bytes = data.len() as u64;
    (member, data.to_vec())
}
