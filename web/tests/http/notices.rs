//! Messages for people.

use protocol::control::{NoticeList, Request};
use serde_json::json;

use crate::support::{Fake, Server};

#[tokio::test]
async fn notices_are_told_in_two_languages_and_read() {
    let server = Server::start(Fake::new()).await;
    let list = server.ask("GET", "/api/v1/notices?unread=1&limit=10&offset=5").await;
    assert!(list.header("etag").is_some());
    let told = list.ok(200);
    assert_eq!(
        (&told["total"], &told["unread"], &told["offset"]),
        (&json!(1), &json!(1), &json!(5))
    );
    let notice = &told["notices"][0];
    assert_eq!((&notice["kind"], &notice["level"]), (&json!("run_failed"), &json!("error")));
    assert_eq!((&notice["count"], &notice["read"]), (&json!(2), &json!(false)));
    assert_eq!(notice["text"]["en"], "The job cloud failed: the disk is full");
    assert_eq!(notice["text"]["fr"], "La tâche cloud a échoué\u{a0}: the disk is full");
    let asked = NoticeList { unread: true, offset: 5, limit: 10 };
    assert_eq!(server.fake.last(), Request::NoticeList(asked));
    server.ask("GET", "/api/v1/notices").await.ok(200);
    let asked = NoticeList { unread: false, offset: 0, limit: 50 };
    assert_eq!(server.fake.last(), Request::NoticeList(asked));

    assert_eq!(server.ask("POST", "/api/v1/notices/9/read").await.ok(200)["read"], true);
    server.ask("POST", "/api/v1/notices/8/read").await.refused(404, "not_found");
    server.ask("POST", "/api/v1/notices/read").await.ok(200);
    assert_eq!(server.fake.last(), Request::NoticeReadAll);
}

#[tokio::test]
async fn a_page_of_notices_that_makes_no_sense_is_refused() {
    let server = Server::start(Fake::new()).await;
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "offset=-1",
        "offset=4294967296",
        "unread=maybe",
        "unraed=1",
        "limit=1&limit=2",
    ] {
        server.ask("GET", &format!("/api/v1/notices?{wrong}")).await.refused(400, "invalid");
    }
    for wrong in ["x", "-1", "18446744073709551616"] {
        let path = format!("/api/v1/notices/{wrong}/read");
        server.ask("POST", &path).await.refused(400, "invalid");
    }
}
