//! Lambda freezes the process between two invocations, for as long as it likes.

use penstock_testkit::{QueueUrls, emulator};

use crate::{
    function::{EVENTS, Function, settings},
    standin::{Call, StandIn},
};

fn start(standin: &StandIn) -> Function {
    let url = |name: &str| format!("http://127.0.0.1:{}/123456789012/{name}", standin.port);
    let queues = QueueUrls { main: url("main"), retry: url("retry"), dead: url("dead") };
    let mut aws = Vec::from(emulator().env());
    aws.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    aws.push(("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", standin.port)));
    Function::start_with(&settings(&queues), &aws)
}

#[test]
fn the_first_message_finds_the_connection_made_at_the_start() {
    let standin = StandIn::start();
    let function = start(&standin);
    assert_eq!([function.invoke(EVENTS).status, function.invoke(EVENTS).status], [200, 200]);
    assert_eq!(standin.calls(), [Call::Other(0), Call::Send(0), Call::Send(0)]);
}

#[test]
fn connections_that_died_in_a_freeze_cost_no_message() {
    let standin = StandIn::start();
    let function = start(&standin);
    assert_eq!(function.invoke(EVENTS).status, 200);
    for _ in 0..5 {
        function.signal("-STOP");
        standin.close_all();
        function.signal("-CONT");
        assert_eq!(function.invoke(EVENTS).status, 200);
    }
    let sends = (0..=5).map(Call::Send);
    assert!(standin.calls().into_iter().skip(1).eq(sends), "{:?}", standin.calls());
}

#[test]
fn a_connection_that_turns_out_dead_costs_no_message() {
    let standin = StandIn::start();
    let function = start(&standin);
    assert_eq!(function.invoke(EVENTS).status, 200);
    standin.hang_up_once();
    assert_eq!(function.invoke(EVENTS).status, 200);
    let sends: Vec<Call> = standin.calls().into_iter().skip(1).collect();
    assert_eq!(sends, [Call::Send(0), Call::Send(0), Call::Send(1)]);
}
