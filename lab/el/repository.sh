# Two small packages more, then all that a host may install, with the index that dnf reads.
set -eu
rpmbuild --quiet -bb --load=/el/macros --define "number ${KIND#el}" /el/ellab-release.spec
rpmbuild --quiet -bb --load=/el/macros --define "carried /el/sendmail" /el/sendmail.spec
mkdir /repository
find /root/rpmbuild/RPMS -name '*.rpm' ! -name 'cyrus-sasl-devel-*' -exec cp {} /repository \;
createrepo_c --quiet /repository
rm -rf /root/rpmbuild/BUILD /root/rpmbuild/BUILDROOT
