//! Time stands still here, and jumps from timer to timer.

use std::{sync::Arc, time::Duration};

use protocol::fetch::wire::{ErrorCode, Frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::{Instant, sleep},
};

use super::store::MemoryStore;
use crate::replicate::{
    ServeError, ServeOptions, StreamError, Throttle, serve, stream::FrameReader,
};

#[tokio::test(start_paused = true)]
async fn a_throttle_lets_pass_what_it_says_however_many_share_it() {
    let throttle = Arc::new(Throttle::new(1 << 20));
    let begun = Instant::now();
    let pass = || async {
        for _ in 0..64 {
            throttle.pass(64 << 10).await;
        }
    };
    tokio::join!(pass(), pass());
    let took = begun.elapsed();
    assert!((7_990..8_100).contains(&took.as_millis()), "8 MiB took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttle_does_not_save_up_while_nothing_passes() {
    let throttle = Throttle::new(1 << 20);
    throttle.pass(1 << 20).await;
    sleep(Duration::from_secs(60)).await;
    let begun = Instant::now();
    throttle.pass(2 << 20).await;
    assert_eq!(begun.elapsed().as_millis() / 10, 200);
}

#[tokio::test(start_paused = true)]
async fn a_silent_side_is_given_up_after_half_a_minute() {
    let (here, _there) = duplex(1_000);
    let mut reader = FrameReader::new(here);
    let begun = Instant::now();
    assert!(matches!(reader.soon().await, Err(StreamError::Silent)));
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_a_silence() {
    let (here, mut there) = duplex(1_000);
    tokio::spawn(async move {
        while there.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(5)).await;
        }
    });
    let mut reader = FrameReader::new(here);
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    let ended = loop {
        if let Err(error) = reader.some(&mut bytes, 100_000).await {
            break error;
        }
    };
    assert!(matches!(ended, StreamError::Silent), "{ended}");
    assert_eq!((begun.elapsed().as_secs(), bytes.len() < 10), (30, true));
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_is_not_a_silence_and_waiting_for_our_disk_is_not_either() {
    let (here, mut there) = duplex(8 << 10);
    tokio::spawn(async move { while there.write_all(&[0; 4 << 10]).await.is_ok() {} });
    let mut reader = FrameReader::new(here);
    let mut bytes = Vec::new();
    while bytes.len() < 1 << 20 {
        reader.some(&mut bytes, 1 << 20).await.unwrap();
        sleep(Duration::from_secs(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_hello_is_closed_after_ten_seconds() {
    let (mut here, there) = duplex(1_000);
    let begun = Instant::now();
    let serving = tokio::spawn(serve(
        there,
        Arc::<MemoryStore>::default(),
        |_| true,
        ServeOptions::default(),
    ));
    let mut said = Vec::new();
    here.read_to_end(&mut said).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    let silent = Frame::Error { code: ErrorCode::Silent, text: "silent for too long".into() };
    assert_eq!(said, silent.encode());
    assert!(matches!(serving.await.unwrap(), Err(ServeError::Stream(StreamError::Silent))));
}
