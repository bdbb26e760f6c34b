/**
 * Which system calls a container may make under the profile RuntimeDefault: those that Docker and containerd allow.
 *
 * A row that names capabilities counts for containers that have one of them, `without` for those that have not.
 */
import type { OciSeccompArgument } from "./oci.ts";

/** Harmless, or bounded by other means. */
export const ALLOWED = words(`
  _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
  chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
  eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
  fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
  flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
  ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list
  get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
  getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
  getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
  io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get
  ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
  lgetxattr link linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat
  lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat
  mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
  mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd
  msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause
  pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl
  pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6
  pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom
  recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2
  restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
  rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
  sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
  sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send
  sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid
  setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority
  setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid
  setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd
  signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx
  symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete
  timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
  timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
  ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice
  wait4 waitid waitpid write writev
`);

export interface SeccompRow {
  names: readonly string[];
  /** Only these values of an argument; without it, all. */
  args?: OciSeccompArgument;
  /** Counts for containers with one of these. */
  capabilities?: readonly string[];
  /** Does not count for containers with this. */
  without?: string;
  /** Of the node, as OCI images name it. Without it, all. */
  architectures?: readonly string[];
  /** The call fails with this number instead of being made. */
  errno?: number;
}

const ENOSYS = 38;
/** The flags of clone(2) that make namespaces. */
const NEW_NAMESPACES = 0x7e020000;

function only(index: number, op: OciSeccompArgument["op"], value: number, valueTwo?: number): OciSeccompArgument {
  return { index, op: op, value, ...(valueTwo !== undefined && { valueTwo }) };
}

export const ROWS: readonly SeccompRow[] = [
  // All families of sockets but AF_ALG (38) and AF_VSOCK (40), which reach past the container.
  { names: ["socket"], args: only(0, "SCMP_CMP_LT", 38) },
  { names: ["socket"], args: only(0, "SCMP_CMP_EQ", 39) },
  { names: ["socket"], args: only(0, "SCMP_CMP_GT", 40) },
  // The plain personalities, and asking which it is.
  ...[0x0, 0x8, 0x20000, 0x20008, 0xffffffff].map((value) => ({
    names: ["personality"],
    args: only(0, "SCMP_CMP_EQ", value),
  })),
  { names: words("arch_prctl modify_ldt"), architectures: ["amd64"] },
  {
    names: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
    architectures: ["arm64"],
  },
  {
    names: ["clone"],
    args: only(0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0),
    without: "CAP_SYS_ADMIN",
  },
  // Its flags lie behind a pointer, where no filter can look: programs fall back to clone.
  { names: ["clone3"], without: "CAP_SYS_ADMIN", errno: ENOSYS },
  { names: ["open_by_handle_at"], capabilities: ["CAP_DAC_READ_SEARCH"] },
  {
    names: words(`
      bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
      lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
      sethostname setns syslog umount umount2 unshare
    `),
    capabilities: ["CAP_SYS_ADMIN"],
  },
  { names: ["reboot"], capabilities: ["CAP_SYS_BOOT"] },
  { names: ["chroot"], capabilities: ["CAP_SYS_CHROOT"] },
  { names: words("delete_module init_module finit_module"), capabilities: ["CAP_SYS_MODULE"] },
  { names: ["acct"], capabilities: ["CAP_SYS_PACCT"] },
  { names: words("kcmp pidfd_getfd process_madvise"), capabilities: ["CAP_SYS_PTRACE"] },
  { names: words("iopl ioperm"), capabilities: ["CAP_SYS_RAWIO"] },
  { names: words("settimeofday stime clock_settime clock_settime64"), capabilities: ["CAP_SYS_TIME"] },
  { names: ["vhangup"], capabilities: ["CAP_SYS_TTY_CONFIG"] },
  { names: words("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"), capabilities: ["CAP_SYS_NICE"] },
  { names: ["syslog"], capabilities: ["CAP_SYSLOG"] },
  { names: ["bpf"], capabilities: ["CAP_BPF"] },
  { names: ["perf_event_open"], capabilities: ["CAP_PERFMON"] },
];

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
