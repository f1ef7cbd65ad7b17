import Foundation

/// A Cyrus IMAP server. It refuses to run with root's rights, and gives them up for those of `cyrus_user`.
final class CyrusServer: RealServer {
  private let root: String
  private let makesMailboxes: Bool

  /// Unless told otherwise it makes the mailboxes of a user at the first login.
  init(takesCertificates: Bool = false, makesMailboxes: Bool = true) throws {
    self.makesMailboxes = makesMailboxes
    root = try Self.unpacked("cyrus", "usr/lib/cyrus/bin/master")
    try super.init(
      "cyrus", folders: ["conf/db", "conf/lock", "conf/proc", "conf/socket", "mail"],
      takesCertificates: takesCertificates)
  }

  private var environment: [String: String] { ["LD_LIBRARY_PATH": Self.libraries(root)] }

  override func launch() throws -> [ServerProcess] {
    let files = ["-C", "\(folder)/imapd.conf", "-M", "\(folder)/cyrus.conf", "-p", "\(folder)/conf/master.pid"]
    return [
      try ServerProcess(
        ["\(root)/usr/lib/cyrus/bin/master"] + files, environment: environment, folder: folder, log: logFile)
    ]
  }

  override func prepare() throws {
    var text = Self.configuration(folder)
    if makesMailboxes { text += "autocreate_quota: 102400\nautocreate_inbox_folders: Sent\n" }
    if let owners = clientAuthorityFile { text += "tls_client_ca_file: \(owners)\ntls_client_certs: optional\n" }
    try write(text, to: "imapd.conf")
    let programs = "\(root)/usr/lib/cyrus/bin"
    let file = "-C \(folder)/imapd.conf"
    // What SIGKILL leaves behind is put right by `recover`.
    try write(
      """
      START {
        recover cmd="\(programs)/ctl_cyrusdb \(file) -r"
        idled cmd="\(programs)/idled \(file)"
      }
      SERVICES {
        imap cmd="\(programs)/imapd \(file)" listen="127.0.0.1:\(plainPort)" proto=tcp4 prefork=0 maxchild=100
        imaps cmd="\(programs)/imapd \(file) -s" listen="127.0.0.1:\(tlsPort)" proto=tcp4 prefork=0 maxchild=100
      }
      EVENTS {
      }

      """, to: "cyrus.conf")
    let users = ["joe", "ann", "admin"].map { user in
      "printf \(password) | \(root)/usr/sbin/saslpasswd2 -p -c -f \(folder)/sasldb2 -u localhost \(user)\n"
    }
    let owner = getuid() == 0 ? "chown -R \(Self.mailUser) conf mail sasldb2 key.pem" : ""
    try run(users.joined() + owner, environment: environment)
  }

  private static func configuration(_ folder: String) -> String {
    """
    configdirectory: \(folder)/conf
    proc_path: \(folder)/conf/proc
    mboxname_lockpath: \(folder)/conf/lock
    idlesocket: \(folder)/conf/socket/idle
    defaultpartition: default
    partition-default: \(folder)/mail
    cyrus_user: \(mailUser)
    servername: localhost
    virtdomains: off
    unixhierarchysep: yes
    altnamespace: yes
    imapidlepoll: 1
    duplicatesuppression: no
    skiplist_unsafe: yes
    xlist-sent: Sent
    specialusealways: yes
    annotation_allow_undefined: yes
    annotation_enable_legacy_commands: yes
    admins: admin
    # Who registers for push notifications is told this; nobody is told of any mail.
    aps_topic: com.apple.mail.XServer.test
    event_notifier: log
    event_groups: applepushservice
    allowplaintext: yes
    # Tests give wrong passwords on purpose, and need not wait for it.
    failedloginpause: 0
    sasl_pwcheck_method: auxprop
    sasl_auxprop_plugin: sasldb
    sasl_sasldb_path: \(folder)/sasldb2
    # All that Debian has a plug-in of and that is not left out, as NTLM and GSSAPI are. EXTERNAL is announced to those who
    # have shown a certificate.
    sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 ANONYMOUS EXTERNAL
    allowanonymouslogin: yes
    tls_server_cert: \(folder)/certificate.pem
    tls_server_key: \(folder)/key.pem

    """
  }
}
