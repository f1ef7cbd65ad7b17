import Foundation

/// A Courier IMAP server: one process that knows the users, and one that listens for each port. Its paths are compiled in;
/// `Scripts/setup` makes them relative to the working folder.
final class CourierServer: RealServer {
  private let root: String

  init(takesCertificates: Bool = false) throws {
    root = try Self.unpacked("courier", "usr/sbin/couriertcpd")
    try super.init(
      "courier", folders: ["config", "rundir/authdaemon", "mail"], takesCertificates: takesCertificates)
  }

  /// The folder of a user's mail in the format Maildir.
  func maildir(of user: String) -> String { "\(folder)/mail/\(user)/Maildir" }

  private var libraries: String { "\(root)/usr/lib:\(root)/usr/lib/courier-authlib" }

  override func prepare() throws {
    try write(
      try String(contentsOfFile: "\(folder)/key.pem", encoding: .utf8)
        + String(contentsOfFile: certificateFile, encoding: .utf8), to: "both.pem")
    try write(
      """
      authmodulelist="authuserdb"
      authmodulelistorig="authuserdb"
      daemons=2
      authdaemonvar=rundir/authdaemon

      """, to: "config/authdaemonrc")
    let (owner, group) = getuid() == 0 ? ("65534", "65534") : ("\(getuid())", "\(getgid())")
    var users = ""
    var secrets = ""
    var folders = ""
    for user in ["joe", "ann"] {
      users += "\(user)\tuid=\(owner)|gid=\(group)|home=\(folder)/mail/\(user)|shell=|_=\n"
      // The password as MD5 crypt, and as what HMAC-MD5 makes of it, by `userdbpw`.
      secrets += "\(user)\tsystempw=$1$1g4Q2.8M$0g62siERyJnrG3vjoLa5M/"
      secrets += "|hmac-md5pw=cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n"
      folders += " mail/\(user)/Maildir/cur mail/\(user)/Maildir/new mail/\(user)/Maildir/tmp"
    }
    try write(users + ".\n", to: "users")
    try write(secrets + ".\n", to: "secrets")
    let makeDatabase = "\(root)/usr/lib/courier/courier-authlib/makedatprog -"
    try run(
      """
      \(makeDatabase) config/new userdb.dat <users
      \(makeDatabase) config/new userdbshadow.dat <secrets
      mv userdb.dat userdbshadow.dat config
      touch config/userdb
      chmod 600 config/userdb config/userdbshadow.dat
      mkdir -p\(folders)
      [ $(id -u) -ne 0 ] || chown -R \(owner):\(group) mail
      """, environment: ["LD_LIBRARY_PATH": libraries])
  }

  override func launch() throws -> [ServerProcess] {
    let capabilities =
      "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"
      + " AUTH=CRAM-MD5 AUTH=PLAIN AUTH=LOGIN"
    var environment = [
      "LD_LIBRARY_PATH": libraries, "IMAP_CAPABILITY": capabilities, "IMAP_CAPABILITY_TLS": capabilities,
      "IMAP_KEYWORDS": "1", "IMAP_ACL": "1", "IMAP_MAILBOX_SANITY_CHECK": "1", "IMAP_USELOCKS": "1",
      // In IDLE it looks for news so often: seconds. To be told by the system needs another daemon.
      "IMAP_IDLE_TIMEOUT": "1", "IMAP_ENHANCEDIDLE": "0", "IMAP_EMPTYTRASH": "", "IMAP_TLS_REQUIRED": "0",
      "COURIERTLS": "\(root)/usr/bin/couriertls", "TLS_CERTFILE": "\(folder)/both.pem", "TLS_VERIFYPEER": "NONE",
      "TLS_PROTOCOL": "TLSv1.2+",
    ]
    if let owners = clientAuthorityFile {
      environment["TLS_VERIFYPEER"] = "PEER"
      environment["TLS_TRUSTCERTS"] = owners
      environment["TLS_EXTERNAL"] = "CN"
    }
    let socket = "\(folder)/rundir/authdaemon/socket"
    try? FileManager.default.removeItem(atPath: socket)
    let login = ["\(root)/usr/lib/courier/courier/imaplogin", "\(root)/usr/bin/imapd", "Maildir"]
    return [
      try ServerProcess(
        ["\(root)/usr/lib/courier/courier-authlib/authdaemond"],
        environment: ["LD_LIBRARY_PATH": libraries, "authmodulelist": "authuserdb", "daemons": "2"], folder: folder,
        log: logFile),
      try listener(plainPort, login, environment.merging(["IMAP_STARTTLS": "YES"]) { $1 }),
      try listener(
        tlsPort, ["\(root)/usr/bin/couriertls", "-server", "-tcpd"] + login,
        environment.merging(["IMAP_TLS": "1"]) { $1 }),
    ]
  }

  private func listener(_ port: UInt16, _ program: [String], _ environment: [String: String]) throws -> ServerProcess {
    let options = ["-address=127.0.0.1", "-maxprocs=100", "-maxperip=100", "-nodnslookup", "-noidentlookup"]
    return try ServerProcess(
      ["\(root)/usr/sbin/couriertcpd"] + options + ["\(port)"] + program, environment: environment, folder: folder,
      log: logFile)
  }

  override func start() throws {
    try super.start()
    // Those who log in before that are told that the service is away.
    let socket = "\(folder)/rundir/authdaemon/socket"
    while !FileManager.default.fileExists(atPath: socket) { usleep(1000) }
  }
}
