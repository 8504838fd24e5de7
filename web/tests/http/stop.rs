//! How a server ends.

use crate::support::{Answer, Fake, GOOD, Server, ask, exchange, exchange_with};

#[tokio::test]
async fn what_is_at_work_is_answered_before_the_end() {
    let mut server = Server::start(Fake::new().holding_work()).await;
    let to = server.address;
    let silent = tokio::net::TcpStream::connect(to).await.unwrap();
    let asking = tokio::spawn(async move { ask(to, "GET", "/api/v1/store", Some(GOOD)).await });
    while server.fake.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(exchange_with(silent, b"").await, b"", "who says nothing is not waited for");
    while tokio::net::TcpStream::connect(to).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.fake.work_places.add_permits(1);
    asking.await.unwrap().ok(200);
    (&mut server.task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_cut_off() {
    let mut server = Server::start(Fake::new().holding_work()).await;
    let to = server.address;
    let text =
        format!("GET /api/v1/store HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\r\n");
    let asking = tokio::spawn(async move { exchange(to, text.as_bytes()).await });
    while server.fake.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let begun = tokio::time::Instant::now();
    server.stop.take().unwrap().send(()).unwrap();
    (&mut server.task).await.unwrap().unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(asking.await.unwrap(), b"");
}

#[tokio::test]
async fn the_last_answer_says_that_it_is_the_last() {
    let mut server = Server::start(Fake::new().holding_work()).await;
    let to = server.address;
    let text =
        format!("GET /api/v1/store HTTP/1.1\r\nHost: n\r\nX-BackupManager-Key: {GOOD}\r\n\r\n");
    let asking = tokio::spawn(async move { exchange(to, text.as_bytes()).await });
    while server.fake.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop.take().unwrap().send(()).unwrap();
    while tokio::net::TcpStream::connect(to).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.fake.work_places.add_permits(1);
    let answer = Answer::parse(&asking.await.unwrap());
    assert_eq!(answer.header("connection"), Some("close"));
}
