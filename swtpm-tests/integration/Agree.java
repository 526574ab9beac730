// A key agreement by Java's SunPKCS11 with a joint key: java Agree.java CONFIGURATION ECDH|DH PEER.pub
// Prints the raw secret in hexadecimal.

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.Collections;
import java.util.HexFormat;
import javax.crypto.KeyAgreement;

class Agree {
  static PublicKey read(String file, String algorithm) throws Exception {
    String pem = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
    return KeyFactory.getInstance(algorithm).generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(pem)));
  }

  public static void main(String[] args) throws Exception {
    Provider provider = Security.getProvider("SunPKCS11").configure(args[0]);
    KeyStore store = KeyStore.getInstance("PKCS11", provider);
    store.load(null, null);
    String alias = Collections.list(store.aliases()).get(0);
    KeyAgreement agreement = KeyAgreement.getInstance(args[1], provider);
    agreement.init((PrivateKey) store.getKey(alias, null));
    agreement.doPhase(read(args[2], args[1].equals("DH") ? "DH" : "EC"), true);
    System.out.println(HexFormat.of().formatHex(agreement.generateSecret()));
  }
}
