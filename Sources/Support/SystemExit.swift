// The exit codes that the programs use: those of sysexits(3), and of a pipe without a reader.

package enum SystemExit: Int32, Error, Sendable {
    /// All went well.
    case success = 0
    /// EX_USAGE: wrong options, or a request that the daemon refuses (400, 422 and their like).
    case usage = 64
    /// EX_DATAERR: a file, or the model's, is not what it must be.
    case dataError = 65
    /// EX_NOINPUT: no such file.
    case noInput = 66
    /// EX_UNAVAILABLE: the daemon is not reachable, or another one serves the socket.
    case unavailable = 69
    /// EX_SOFTWARE: an internal error.
    case software = 70
    /// EX_OSERR: the system refused something.
    case osError = 71
    /// EX_CANTCREAT: an output file cannot be written.
    case cannotCreate = 73
    /// EX_TEMPFAIL: busy, try later.
    case temporaryFailure = 75
    /// EX_PROTOCOL: the other side does not speak this protocol.
    case protocolError = 76
    /// EX_CONFIG: the file of settings is not what it must be.
    case configuration = 78
    /// Whoever read standard output has gone: as where SIGPIPE ends a program. Nothing is said.
    case closedPipe = 141

    /// What an HTTP status means to a program's caller.
    package init(httpStatus: Int) {
        switch httpStatus {
        case 200..<300: self = .success
        case 429, 503, 504: self = .temporaryFailure
        case 400, 406, 413, 415, 422: self = .usage
        case 500..<600: self = .software
        default: self = .protocolError
        }
    }
}
