#!/usr/bin/perl
# A short message service centre by Net::SMPP, which does what a test says. Usage: smsc.pl PASSWORD [ACT...]
# Acts, one for each submit_sm in turn, over all connections: ok, throttle, refuse, drop (closes without a response), silent.
# When none are left every message is taken. Prints one line for what happens: port, bound, refused, submit, enquire, unbound.
use strict;
use warnings;
use Net::SMPP;

$| = 1;
$SIG{PIPE} = 'IGNORE';
my ($password, @acts) = @ARGV;
my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34, async => 1) or die "cannot listen: $!";
print 'port ', $listener->sockport, "\n";
my $taken = 0;
while (1) {
    my $peer = $listener->accept or next;
    serve($peer);
    close $peer;
}

sub serve {
    my ($peer) = @_;
    while (my $pdu = $peer->read_pdu) {
        my $command = Net::SMPP::pdu_tab->{ $pdu->{cmd} }{cmd} // 'unknown';
        if ($command eq 'bind_transceiver') {
            my $right = $pdu->{password} eq $password;
            # 0x0E is ESME_RINVPASWD.
            $peer->bind_transceiver_resp(seq => $pdu->{seq}, status => $right ? 0 : 0x0E, system_id => 'smsc');
            print $right ? "bound $pdu->{system_id}\n" : "refused\n";
            return unless $right;
        } elsif ($command eq 'submit_sm') {
            my $act = shift @acts // 'ok';
            my $hex = unpack 'H*', $pdu->{short_message};
            print "submit $act $pdu->{source_addr} $pdu->{destination_addr} $pdu->{esm_class} $pdu->{data_coding} $hex\n";
            return if $act eq 'drop';
            next if $act eq 'silent';
            my %status = (throttle => 0x58, refuse => 0x0B);
            my $status = $status{$act} // 0;
            my $id = sprintf '%08x', ++$taken;
            $peer->submit_sm_resp(seq => $pdu->{seq}, status => $status, message_id => $status ? '' : $id);
            next if $status;
            $peer->deliver_sm(
                source_addr => $pdu->{destination_addr}, destination_addr => $pdu->{source_addr}, esm_class => 4, data_coding => 0,
                short_message => "id:$id sub:001 dlvrd:001 submit date:2611241000 done date:2611241000 stat:DELIVRD err:000 text:",
            );
        } elsif ($command eq 'enquire_link') {
            $peer->enquire_link_resp(seq => $pdu->{seq});
            print "enquire\n";
        } elsif ($command eq 'unbind') {
            $peer->unbind_resp(seq => $pdu->{seq});
            print "unbound\n";
            return;
        }
    }
}
