//! Stopping: nothing accepted is lost, and load balancers notice first.

use std::time::Duration;

use penstock_ingress::RunError;
use tokio::net::TcpStream;

use crate::{
    client::{Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, Running, config},
};

#[tokio::test]
async fn trap_16_calls_in_flight_are_finished_and_then_it_ends() {
    let mut running = Running::start().await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let mut idle = Client::connect(running.address).await;
    let answers = futures::future::join_all((0..20).map(|_| running.post(EVENTS)));
    let stop = async {
        begun.acquire().await.unwrap().forget();
        running.stop.cancel();
        // An idle connection is closed at once; that is how we know that the stop was heard.
        assert_eq!(idle.closed().await, b"");
        open.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(answers, stop);
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered, 20);
    running.ended().await.unwrap();
    assert_eq!(running.stored().await.len(), 20);
    assert!(TcpStream::connect(running.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn trap_16_it_is_not_ready_before_it_stops_accepting() {
    let mut config = config();
    config.stopping.deregistration_delay = Duration::from_millis(500);
    let mut running = Running::start_with(config).await;
    assert_eq!(running.post(EVENTS).await.status, 200);
    running.until_ready().await;
    running.stop.cancel();
    let not_ready = loop {
        let answer = running.readyz().await;
        if answer.status == 503 {
            break answer;
        }
    };
    assert_eq!(not_ready.json()["checks"]["draining"], "stopping");
    assert_eq!(running.post(EVENTS).await.status, 200, "still accepting");
    running.ended().await.unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_end_does_not_hold_up_the_stop_for_ever() {
    let mut config = config();
    config.stopping.drain_deadline = Duration::from_millis(50);
    let mut running = Running::start_with(config).await;
    let mut client = Client::connect(running.address).await;
    client.head("POST /", &[TOKEN, ("content-length", "1000"), ("expect", "100-continue")]).await;
    assert_eq!(client.read().await.status, 100);
    running.stop.cancel();
    assert!(matches!(running.ended().await, Err(RunError::NotDrained)));
}
