//! What is measured beside what.

/// The same work done by several sides.
#[derive(Clone)]
pub(crate) struct Scenario {
    /// What `--only` looks at, and the name of its picture.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The shape of the load.
    pub(crate) shape: String,
    pub(crate) counts: Counts,
    /// The first is what the others are held against.
    pub(crate) sides: Vec<Side>,
    pub(crate) targets: Vec<Target>,
}

/// What the table's figure is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    Requests,
    /// Messages that members have got.
    Deliveries,
    /// Bytes of the server's memory for each connection that does nothing.
    Idle,
    /// Requests that were done while more were offered than can be.
    Overload,
}

/// Who does the work.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// The processes in the order of their start; the load goes to the last.
    pub(crate) servers: Vec<Server>,
    pub(crate) load: Run,
    /// Servers have one processor and the load another, so that neither has less of it because the other has more to
    /// do; otherwise they share all.
    pub(crate) apart: bool,
}

/// A server process.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) run: Run,
    /// The flag that tells it where the server before it listens.
    pub(crate) behind: Option<&'static str>,
}

/// A program with its arguments.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
}

/// The programs that take part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// Bare servers and Tangelo's.
    Server,
    /// The load generator for them.
    Load,
    /// tonic, tarpc and axum: servers and load generators.
    Peers,
    /// Pomelo's servers.
    Pomelo,
    /// The load generator for HTTP.
    Wrk,
}

/// What a side is to reach.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) side: &'static str,
    pub(crate) figure: Figure,
    /// Whose figure it is divided by, round by round; none: the figure itself.
    pub(crate) against: Option<&'static str>,
    pub(crate) bound: Bound,
}

/// What of a measurement a target is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    PerSecond,
    P50,
    P99,
    /// Bytes of memory for a connection.
    PerConnection,
    /// What is done under overload, in parts of what is at best.
    Kept,
    /// The time of refusals under overload.
    RefusedP99,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Side {
    /// A side of one server process.
    pub(crate) fn new(name: &'static str, server: Run, load: Run) -> Self {
        let servers = vec![Server {
            run: server,
            behind: None,
        }];
        Self {
            name,
            servers,
            load,
            apart: false,
        }
    }

    /// Gives the servers one processor, and the load another.
    pub(crate) fn apart(self) -> Self {
        Self {
            apart: true,
            ..self
        }
    }

    /// Puts another server before those there are, to which it forwards; `flag` tells it where.
    pub(crate) fn before(mut self, flag: &'static str, server: Run) -> Self {
        self.servers.push(Server {
            run: server,
            behind: Some(flag),
        });
        self
    }

    /// The programs that it cannot do without.
    pub(crate) fn programs(&self) -> impl Iterator<Item = Program> {
        let servers = self.servers.iter().map(|server| server.run.program);
        servers.chain([self.load.program])
    }
}

impl Run {
    /// A program with its first arguments, which have blanks between them.
    pub(crate) fn new(program: Program, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { program, arguments }
    }

    /// The same with more arguments.
    pub(crate) fn with(&self, arguments: &str) -> Self {
        let mut run = self.clone();
        let more = arguments.split_whitespace().map(str::to_owned);
        run.arguments.extend(more);
        run
    }
}

impl Target {
    pub(crate) fn at_least(side: &'static str, bound: f64, against: &'static str) -> Self {
        Self {
            side,
            figure: Figure::PerSecond,
            against: Some(against),
            bound: Bound::AtLeast(bound),
        }
    }

    pub(crate) fn at_most(
        side: &'static str,
        figure: Figure,
        bound: f64,
        against: Option<&'static str>,
    ) -> Self {
        Self {
            side,
            figure,
            against,
            bound: Bound::AtMost(bound),
        }
    }
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}
