package guestname

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// drivers are the folders in which libvirt keeps how guests run that run now, by their
// hypervisor (virDomainObjSave, src/conf/domain_conf.c).
var drivers = []string{"qemu", "libxl", "lxc"}

// maxDomain is more than libvirt writes about a guest, in bytes.
const maxDomain = 1 << 20

// maxDomains bounds how many guests are read.
const maxDomains = 4096

// domain is what is needed of such a file.
type domain struct {
	XMLName    xml.Name `xml:"domstatus"`
	Name       string   `xml:"domain>name"`
	Interfaces []struct {
		MAC struct {
			Address string `xml:"address,attr"`
		} `xml:"mac"`
		Target struct {
			Dev string `xml:"dev,attr"`
		} `xml:"target"`
		Parameters []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"filterref>parameter"`
		IPs []struct {
			Address string `xml:"address,attr"`
		} `xml:"ip"`
	} `xml:"domain>devices>interface"`
}

// readLibvirt reads the guests in a folder. One that ends meanwhile has no file any more.
func readLibvirt(folder string) (list []Guest, err error) {
	for _, driver := range drivers {
		files, globErr := filepath.Glob(filepath.Join(folder, driver, "*.xml"))
		err = errors.Join(err, globErr)
		for _, file := range files[:min(len(files), maxDomains)] {
			d, readErr := readDomain(file)
			switch {
			case errors.Is(readErr, fs.ErrNotExist):
			case readErr != nil:
				err = errors.Join(err, fmt.Errorf("%s: %w", file, readErr))
			default:
				list = append(list, d.guests()...)
			}
		}
	}
	return list, err
}

func readDomain(file string) (*domain, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, errors.Unwrap(err) // which file, is said anyway
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxDomain))
	if err != nil {
		return nil, err
	}
	d := &domain{}
	return d, xml.Unmarshal(data, d)
}

func (d *domain) guests() (list []Guest) {
	for _, i := range d.Interfaces {
		if i.Target.Dev == "" {
			continue
		}
		var texts []string
		for _, ip := range i.IPs {
			texts = append(texts, ip.Address)
		}
		for _, p := range i.Parameters {
			if p.Name == "IP" || p.Name == "IPV6" {
				texts = append(texts, p.Value)
			}
		}
		list = append(list, Guest{Port: i.Target.Dev, Name: d.Name, By: "libvirt", MAC: macText(i.MAC.Address), Addresses: addresses(texts)})
	}
	return list
}
